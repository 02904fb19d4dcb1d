//! A picture in shared memory, made grey by four workers. The picture is decoded and encoded once, here; a worker is told where
//! its rows lie, and reads and writes them where they are.
//!
//!     sandhog run --max-objects 2 --dir .::/in --dir out::/out:rw --child worker=shared-filter.wasm \
//!         shared-filter.wasm -- /in/astronaut.png /out/grey.png

use sandhog::shared::Memory;
use sandhog::{Job, Rights, process};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufReader, BufWriter};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const WORKERS: usize = 4;

/// Which pixels are a worker's, and how many bytes one has.
#[derive(Serialize, Deserialize)]
struct Part {
    first: usize,
    count: usize,
    samples: usize,
}

/// Weighted as the eye weighs red, green and blue (ITU-R BT.601); a picture of fewer colours is grey already.
fn grey(pixel: &[u8]) -> u8 {
    let weights: &[u32] = if pixel.len() < 3 { &[1000] } else { &[299, 587, 114] };
    let weighted = weights.iter().zip(pixel).map(|(weight, sample)| weight * u32::from(*sample));
    (weighted.sum::<u32>() / 1000) as u8
}

fn work(part: &Part) -> sandhog::Result<()> {
    let (colours, greys) = (Memory::open("colours")?, Memory::open("greys")?);
    let pixels = colours.read(part.first * part.samples, part.count * part.samples)?;
    let made: Vec<_> = pixels.chunks_exact(part.samples).map(grey).collect();
    greys.write(part.first, &made)
}

fn decode(path: &str) -> Result<(png::OutputInfo, Vec<u8>)> {
    let mut decoder = png::Decoder::new(BufReader::new(File::open(path)?));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info()?;
    let mut bytes = vec![0; reader.output_buffer_size().ok_or("too large")?];
    let info = reader.next_frame(&mut bytes)?;
    Ok((info, bytes))
}

fn encode(path: &str, width: u32, height: u32, greys: &[u8]) -> Result<()> {
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), width, height);
    encoder.set_color(png::ColorType::Grayscale);
    Ok(encoder.write_header()?.write_image_data(greys)?)
}

fn run(input: &str, output: &str) -> Result<()> {
    let (info, bytes) = decode(input)?;
    let pixels = info.width as usize * info.height as usize;
    let (colours, greys) = (Memory::new(bytes.len())?, Memory::new(pixels)?);
    colours.write(0, &bytes)?;
    let job = Job::new("worker").shared_memory("colours", &colours, Rights::READ);
    let job = job.shared_memory("greys", &greys, Rights::WRITE);
    let mut workers = Vec::new();
    for worker in 0..WORKERS {
        let (first, end) = (worker * pixels / WORKERS, (worker + 1) * pixels / WORKERS);
        let part = Part { first, count: end - first, samples: info.color_type.samples() };
        workers.push(job.clone().data(&part)?.spawn()?);
    }
    for worker in workers {
        let verdict = worker.wait()?;
        if !verdict.success() {
            return Err(format!("a worker {verdict}").into());
        }
    }
    encode(output, info.width, info.height, &greys.read(0, pixels)?)?;
    println!("{input} ({} x {}) to {output} by {WORKERS} workers", info.width, info.height);
    Ok(())
}

#[sandhog::main]
fn main() -> Result<()> {
    if let Some(part) = process::initial_data()? {
        return Ok(work(&part)?);
    }
    let words: Vec<_> = std::env::args().skip(1).collect();
    let [input, output] = &words[..] else {
        return Err("usage: shared-filter INPUT.png OUTPUT.png".into());
    };
    run(input, output)
}

#[test]
fn green_is_brighter_than_blue() {
    assert_eq!((grey(&[255, 255, 255]), grey(&[7])), (255, 7));
    assert!(grey(&[0, 255, 0, 9]) > grey(&[0, 0, 255, 9]));
}
