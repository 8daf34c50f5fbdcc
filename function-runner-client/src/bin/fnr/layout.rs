//! Text in columns, and amounts in words.

use std::time::Duration;

/// How wide text is set, for those who read it in a terminal.
const WIDTH: usize = 100;

/// The narrowest that the last column gets.
const NARROWEST: usize = 30;

/// Rows in columns, two spaces apart and in; the last column is wrapped.
pub(crate) fn table(rows: &[Vec<String>], indent: usize) -> String {
    let last = rows.iter().map(Vec::len).max().unwrap_or(1).saturating_sub(1);
    let width =
        |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| columns(cell)).max().unwrap_or(0);
    let widths: Vec<_> = (0..last).map(width).collect();
    let lines = rows.iter().map(|row| {
        let mut line = " ".repeat(indent);
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width - columns(cell) + 2));
        }
        let inner = columns(&line);
        if let Some(cell) = row.get(last) {
            line.push_str(&wrapped(cell, WIDTH.saturating_sub(inner).max(NARROWEST), inner));
        }
        line.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A paragraph, wrapped.
pub(crate) fn paragraph(text: &str) -> String {
    wrapped(text, WIDTH, 0)
}

/// Text in lines of at most this width, those after the first behind so many spaces.
fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let (mut out, mut column) = (String::new(), 0);
    for word in text.split_whitespace() {
        let wide = columns(word);
        if column > 0 && column + 1 + wide > width {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += wide;
    }
    out
}

fn columns(text: &str) -> usize {
    text.chars().count()
}

/// A time in words: `0.1 s`, `7.9 s`, `2 min 5 s`, `1 h 3 min`.
pub(crate) fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match whole / 3600 {
        0 => format!("{} min {} s", whole / 60, whole % 60),
        hours => format!("{hours} h {} min", whole % 3600 / 60),
    }
}

/// How long is left, in words: whole seconds, since it is a guess.
pub(crate) fn left(time: Duration) -> String {
    match (time.as_secs_f64().ceil() as u64).max(1) {
        seconds @ ..60 => format!("{seconds} s left"),
        seconds => format!("{} left", self::time(Duration::from_secs(seconds))),
    }
}

/// MiB in words: `212 MiB`, `23.4 GiB`.
pub(crate) fn mib(amount: u64) -> String {
    match amount {
        0..1024 => format!("{amount} MiB"),
        _ => format!("{:.1} GiB", amount as f64 / 1024.0),
    }
}

/// As a shell takes it: in quotes where it has to be.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./@:=+,%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_the_last_is_wrapped() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let long = "word ".repeat(30);
        let text = table(&[row(["a", "b"]), row(["größe", &long]), row(["c", ""])], 2);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!((lines[0], lines[3]), ("  a      b", "  c"));
        assert!(
            lines[1].starts_with("  größe  word word") && lines[2].starts_with("         word"),
            "{text}"
        );
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH));
    }

    #[test]
    fn amounts_are_told_as_people_say_them() {
        let seconds = Duration::from_secs_f64;
        assert_eq!(
            [0.04, 7.91, 59.96, 125.4].map(|s| time(seconds(s))),
            ["0.0 s", "7.9 s", "1 min 0 s", "2 min 5 s"]
        );
        assert_eq!(time(seconds(3780.0)), "1 h 3 min");
        assert_eq!([0.0, 59.0, 61.0].map(|s| left(seconds(s))), ["1 s left", "59 s left", "1 min 1 s left"]);
        assert_eq!([mib(212), mib(24_000)], ["212 MiB", "23.4 GiB"]);
        assert_eq!([quoted("a=b"), quoted("it's"), quoted("")], ["a=b", r"'it'\''s'", "''"]);
    }
}
