//! Pictures to run functions on, drawn where they are needed.

/// A PNG of noise, which no encoder makes small.
pub(crate) fn noise(width: u32, height: u32) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let samples = (0..width * height * 3).map(|_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 16) as u8
    });
    png(width, height, png::ColorType::Rgb, &samples.collect::<Vec<_>>())
}

/// A grey PNG of so many pixels that enlarging it takes far longer than anybody waits here.
pub(crate) fn large() -> Vec<u8> {
    const SIDE: u32 = 4000;
    let rows = (0..SIDE * SIDE).map(|at| ((at / SIDE) ^ (at % SIDE)) as u8);
    png(SIDE, SIDE, png::ColorType::Grayscale, &rows.collect::<Vec<_>>())
}

fn png(width: u32, height: u32, colour: png::ColorType, samples: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(colour);
    encoder.set_compression(png::Compression::Fastest);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(samples).unwrap();
    writer.finish().unwrap();
    file
}

/// A PNG whose header claims this size, and that has nothing but its header.
pub(crate) fn claiming(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend_from_slice(&width.to_be_bytes());
    header.extend_from_slice(&height.to_be_bytes());
    header.extend_from_slice(&[8, 2, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    file.extend_from_slice(&header);
    file.extend_from_slice(&crc(&header).to_be_bytes());
    file
}

/// Width and height of a PNG, and its samples a pixel.
pub(crate) fn size(file: &[u8]) -> (u32, u32) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let mut samples = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut samples).unwrap();
    (info.width, info.height)
}

/// The CRC of a PNG's chunks (ISO 3309).
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}
