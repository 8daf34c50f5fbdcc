//! A band of samples as a PNG: small, quickly written, and with checksums that tell damage.

use std::io::{self, BufRead, Seek, Write};

use super::{encode::Picture, watched::Stopped};

/// Bytes between two looks at whether to stop.
const PIECE: usize = 1 << 20;

/// Writes all samples of a picture.
pub(super) fn write(
    sink: &mut impl Write,
    picture: Picture,
    samples: &[u8],
    stopped: Stopped<'_>,
) -> io::Result<()> {
    let mut encoder = png::Encoder::with_info(sink, picture.info())?;
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    let mut rows = writer.stream_writer()?;
    for piece in samples.chunks(PIECE) {
        if stopped() {
            return Err(io::Error::other("stopped"));
        }
        rows.write_all(piece)?;
    }
    rows.finish()?;
    writer.finish()?;
    Ok(())
}

/// Reads the samples of a picture of just this size and layout.
pub(super) fn read(
    source: impl BufRead + Seek,
    picture: Picture,
    samples: &mut Vec<u8>,
) -> Result<(), String> {
    let mut reader = png::Decoder::new(source).read_info().map_err(|error| error.to_string())?;
    let (info, expected) = (reader.info(), picture.info::<'static>());
    let same = (info.width, info.height, info.color_type, info.bit_depth, info.interlaced)
        == (expected.width, expected.height, expected.color_type, expected.bit_depth, false);
    if !same {
        return Err("it is another image".to_owned());
    }
    samples.resize(picture.line() * picture.height as usize, 0);
    reader.next_frame(samples).map_err(|error| error.to_string())?;
    reader.finish().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::{
        super::pixels::{Colours, Depth, Layout},
        *,
    };

    fn picture(colours: Colours, depth: Depth) -> Picture {
        Picture { width: 7, height: 5, layout: Layout { colours, depth } }
    }

    #[test]
    fn samples_of_every_layout_come_back() {
        for colours in [Colours::Grey, Colours::GreyAlpha, Colours::Rgb, Colours::Rgba] {
            for depth in [Depth::Eight, Depth::Sixteen] {
                let picture = picture(colours, depth);
                let samples: Vec<u8> = (0..picture.line() * 5).map(|at| (at * 37) as u8).collect();
                let (mut file, mut back) = (Vec::new(), Vec::new());
                write(&mut file, picture, &samples, &|| false).unwrap();
                read(Cursor::new(&file), picture, &mut back).unwrap();
                assert!(back == samples, "{colours:?} {depth:?}");
            }
        }
    }

    #[test]
    fn another_picture_and_a_damaged_one_are_refused() {
        let picture = picture(Colours::Rgb, Depth::Eight);
        let mut file = Vec::new();
        write(&mut file, picture, &[9; 105], &|| false).unwrap();
        let mut samples = Vec::new();
        let taller = Picture { height: 6, ..picture };
        assert!(read(Cursor::new(&file), taller, &mut samples).is_err());
        for end in [0, 20, file.len() - 20] {
            assert!(read(Cursor::new(&file[..end]), picture, &mut samples).is_err(), "cut at {end}");
        }
        let middle = file.len() / 2;
        file[middle] ^= 1;
        assert!(read(Cursor::new(&file), picture, &mut samples).is_err());
    }

    #[test]
    fn writing_stops_where_it_is_told() {
        let picture = picture(Colours::Rgb, Depth::Eight);
        assert!(write(&mut Vec::new(), picture, &[9; 105], &|| true).is_err());
    }
}
