//! The commonest words of a text: cut into pieces, counted by four workers (map), and put together (reduce). The pieces are tasks
//! in one queue, the counts come back in another; the text itself lies in memory that all of them read.
//!
//!     sandhog run --max-objects 3 --dir .::/in --child mapper=map-reduce.wasm map-reduce.wasm -- /in/persuasion.txt

use sandhog::queue::Queue;
use sandhog::shared::Memory;
use sandhog::{Job, Result, Rights};
use std::collections::BTreeMap;

const MAPPERS: usize = 4;
const PIECE_BYTES: usize = 16 << 10;
const TOP: usize = 5;

type Counts = BTreeMap<String, u64>;

/// Runs of letters, in small ones.
fn count(text: &str) -> Counts {
    let words = text.split(|letter: char| !letter.is_alphabetic()).filter(|word| !word.is_empty());
    words.fold(Counts::new(), |mut counts, word| {
        *counts.entry(word.to_lowercase()).or_default() += 1;
        counts
    })
}

/// Where the pieces begin and how long they are: none ends within a word.
fn pieces(text: &[u8]) -> Vec<(usize, usize)> {
    let mut pieces = Vec::new();
    let mut begin = 0;
    while begin < text.len() {
        let least = PIECE_BYTES.min(text.len() - begin);
        let rest = text[begin + least..].iter().position(u8::is_ascii_whitespace);
        let length = rest.map_or(text.len() - begin, |rest| least + rest);
        pieces.push((begin, length));
        begin += length;
    }
    pieces
}

fn map() -> Result<()> {
    let (text, pieces, counts) =
        (Memory::open("text")?, Queue::open("pieces")?, Queue::open("counts")?);
    for taken in pieces.iter_taken() {
        let taken = taken?;
        let (begin, length) = taken.decode()?;
        let piece = text.read(begin, length)?;
        counts.put(&count(&String::from_utf8_lossy(&piece)))?;
        taken.acknowledge()?;
    }
    Ok(())
}

fn reduce(bytes: &[u8]) -> Result<Counts> {
    let cut = pieces(bytes);
    let text = Memory::new(bytes.len().max(1))?;
    text.write(0, bytes)?;
    // All pieces have room, so that nobody waits for room while nobody takes the counts.
    let pieces = Queue::new(cut.len().max(1) as u32, 1 << 20)?;
    let counts = Queue::new(8, 4 << 20)?;
    let job = Job::new("mapper").arg("map").shared_memory("text", &text, Rights::READ);
    let job = job.queue("pieces", &pieces, Rights::GET).queue("counts", &counts, Rights::PUT);
    let _mappers = (0..MAPPERS).map(|_| job.spawn()).collect::<Result<Vec<_>>>()?;
    cut.iter().try_for_each(|piece| pieces.put(piece))?;
    pieces.close()?;
    let mut all = Counts::new();
    for _ in &cut {
        for (word, count) in counts.get::<Counts>()? {
            *all.entry(word).or_default() += count;
        }
    }
    Ok(all)
}

#[sandhog::main]
fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let word = std::env::args().nth(1).ok_or("usage: map-reduce TEXT")?;
    if word == "map" {
        return Ok(map()?);
    }
    let counts = reduce(&std::fs::read(word)?)?;
    println!("{} words, {} of them different", counts.values().sum::<u64>(), counts.len());
    let mut ranked: Vec<_> = counts.into_iter().collect();
    ranked.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    ranked.iter().take(TOP).for_each(|(word, count)| println!("{count} {word}"));
    Ok(())
}

#[test]
fn pieces_are_the_text_and_cut_no_word() {
    let text = "rose ".repeat(10_000);
    let cut = pieces(text.as_bytes());
    assert_eq!(cut.iter().map(|(_, length)| length).sum::<usize>(), text.len());
    let counted: u64 =
        cut.iter().map(|(begin, length)| count(&text[*begin..][..*length])["rose"]).sum();
    assert_eq!((cut.len(), counted), (4, 10_000));
}
