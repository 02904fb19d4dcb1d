//! Reads a PNG, filters it, writes a PNG: a decoder fed by strangers belongs behind a wall.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::process::ExitCode;

const USAGE: &str = "usage: image-filter grayscale|blur|edge INPUT.png OUTPUT.png";

/// Eight bits for each sample of a pixel: one (gray) to four (colour with alpha).
struct Image {
    width: isize,
    height: isize,
    color: png::ColorType,
    bytes: Vec<u8>,
}

impl Image {
    /// The sample at a place; beyond an edge, that of the edge.
    fn at(&self, x: isize, y: isize, sample: usize) -> i32 {
        let (x, y) = (x.clamp(0, self.width - 1), y.clamp(0, self.height - 1));
        self.bytes[(y * self.width + x) as usize * self.color.samples() + sample].into()
    }

    /// A picture of the same size, each sample made by `make(x, y, sample)`.
    fn map(&self, color: png::ColorType, make: impl Fn(isize, isize, usize) -> i32) -> Self {
        let row = |y| (0..self.width).map(move |x| (x, y));
        let mut bytes = Vec::new();
        for (x, y) in (0..self.height).flat_map(row) {
            bytes.extend((0..color.samples()).map(|sample| make(x, y, sample).clamp(0, 255) as u8));
        }
        Self { color, bytes, ..*self }
    }

    /// Weighted as the eye weighs red, green and blue (ITU-R BT.601).
    fn grayscale(&self) -> Self {
        let weights: &[i32] = if self.color.samples() < 3 { &[1000] } else { &[299, 587, 114] };
        self.map(png::ColorType::Grayscale, |x, y, _| {
            let samples = (0..).map(|sample| self.at(x, y, sample));
            weights.iter().zip(samples).map(|(weight, value)| weight * value).sum::<i32>() / 1000
        })
    }

    /// The mean of the 7 by 7 pixels around each.
    fn blur(&self) -> Self {
        self.map(self.color, |x, y, sample| {
            let around = (0..49).map(|place| self.at(x + place % 7 - 3, y + place / 7 - 3, sample));
            around.sum::<i32>() / 49
        })
    }

    /// How steeply the brightness changes (Sobel's operator).
    fn edge(&self) -> Self {
        let gray = self.grayscale();
        gray.map(png::ColorType::Grayscale, |x, y, _| {
            let slope = |ax: isize, ay: isize| {
                let side = |step| gray.at(x + ax + step * ay, y + ay + step * ax, 0);
                side(-1) + 2 * side(0) + side(1)
            };
            (slope(1, 0) - slope(-1, 0)).abs() + (slope(0, 1) - slope(0, -1)).abs()
        })
    }
}

fn decode(path: &str) -> Result<Image, Box<dyn std::error::Error>> {
    let mut decoder = png::Decoder::new(BufReader::new(File::open(path)?));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info()?;
    let mut bytes = vec![0; reader.output_buffer_size().ok_or("too large")?];
    let info = reader.next_frame(&mut bytes)?;
    let (width, height) = (info.width as isize, info.height as isize);
    Ok(Image { width, height, color: info.color_type, bytes })
}

fn encode(image: &Image, path: &str) -> Result<(), Box<dyn std::error::Error>> {
    let file = BufWriter::new(File::create(path)?);
    let mut encoder = png::Encoder::new(file, image.width as u32, image.height as u32);
    encoder.set_color(image.color);
    Ok(encoder.write_header()?.write_image_data(&image.bytes)?)
}

fn run(arguments: &[String]) -> Result<(), String> {
    let [filter, input, output] = arguments else { return Err(USAGE.into()) };
    let apply = match filter.as_str() {
        "grayscale" => Image::grayscale,
        "blur" => Image::blur,
        "edge" => Image::edge,
        unknown => return Err(format!("no filter is called {unknown:?}\n{USAGE}")),
    };
    let image = decode(input).map_err(|error| format!("cannot read {input}: {error}"))?;
    encode(&apply(&image), output).map_err(|error| format!("cannot write {output}: {error}"))?;
    println!("{filter}: {input} ({} x {}) to {output}", image.width, image.height);
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let done = run(&arguments).inspect_err(|error| eprintln!("image-filter: {error}"));
    done.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}
