//! Images that are none, or not such as are read: the function refuses them, and nothing is written.

use crate::{bench::Bench, picture};

/// What the program says of an image with this content.
fn said(content: &[u8]) -> String {
    let bench = Bench::new();
    bench.write("photo.png", content);
    let arguments = ["run", "image.upscale", "image=@photo.png", "-o", "big.png"];
    let ended = bench.run(&arguments).ends(2);
    assert!(!bench.path("big.png").exists() && ended.out.is_empty());
    let json = bench.run(&[&["--json"], &arguments[..]].concat()).ends(2);
    let last = json.last();
    assert_eq!(
        (&last["kind"], &last["failure"]["class"]),
        (&"failed".into(), &"invalid_input".into()),
        "{last}"
    );
    assert_eq!((&last["function"], &last["quality"]), (&"image.upscale".into(), &"standard".into()));
    assert!(last["usage"]["run_ms"].is_u64() && json.err.is_empty(), "{json:#?}");
    let message = last["failure"]["message"].as_str().unwrap();
    let remedy = last["failure"]["remedy"].as_str().unwrap();
    let told = format!("error: the function failed: {message}\nhelp: {remedy}\n");
    assert!(ended.err.ends_with(&told), "{ended:#?}\n{told}");
    told
}

#[test]
fn what_is_no_image() {
    let none = said(b"hello, world");
    assert!(none.contains("image: this is not an image of a known format"), "{none}");
    assert!(none.ends_with("help: convert it to PNG, JPEG or WebP first\n"), "{none}");
    let empty = said(b"");
    assert!(empty.contains("image: the image file is empty (0 bytes)"), "{empty}");
    let other = said(b"GIF89a\x01\0\x01\0\0\0\0");
    assert!(other.contains("image: this is a GIF; image.upscale reads PNG, JPEG and WebP"), "{other}");
}

#[test]
fn an_image_that_is_cut_off() {
    let whole = picture::noise(64, 64);
    let text = said(&whole[..whole.len() / 2]);
    assert!(text.contains("image: the PNG file is truncated: it ends in the middle of the image"), "{text}");
}

#[test]
fn an_image_that_is_damaged() {
    let mut file = picture::noise(64, 64);
    let middle = file.len() / 2;
    file[middle..middle + 8].fill(0x55);
    let text = said(&file);
    assert!(text.contains("image: the PNG file is damaged: "), "{text}");
}

#[test]
fn an_image_without_pixels() {
    let text = said(&picture::claiming(0, 7));
    assert!(text.contains("image: the PNG image has no pixels: its header says 0 × 7"), "{text}");
}

#[test]
fn an_image_of_65_megapixels() {
    let text = said(&picture::claiming(10_000, 6_500));
    assert!(
        text.contains("image: the image has 10000 × 6500 pixels (65.0 megapixels); at most 64 megapixels"),
        "{text}"
    );
    assert!(text.ends_with("help: crop it or scale it down first, or cut it into parts\n"), "{text}");
}
