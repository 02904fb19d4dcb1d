//! reads_dir HOW PATH ROOM: goes through a granted directory by the cookies of `fd_readdir`, with a buffer of ROOM bytes.
//!
//! `remove` removes each file as soon as it is seen, then the directory's own number of names must be none.
//! `again` goes back to each cookie that it has seen, in a second descriptor and in the first, and says how often another
//! name came next.
//! `anew` makes a file when it has seen all, and says whether a new beginning shows it.

use sandhog_test_guests::{Dir, arg, number};

/// A name, and the cookie that leads behind it.
struct Seen {
    name: String,
    next: u64,
}

/// The entries that a buffer of `room` bytes holds as a whole, and whether there may be more.
fn some(dir: Dir, cookie: u64, room: usize) -> (Vec<Seen>, bool) {
    let mut buffer = vec![0; room];
    // SAFETY: the buffer is as long as it is said to be.
    let used =
        unsafe { wasip1::fd_readdir(dir.0, buffer.as_mut_ptr(), room, cookie) }.expect("a listing");
    let (mut rest, mut seen) = (&buffer[..used], Vec::new());
    while let Some((header, behind)) = rest.split_first_chunk::<24>() {
        let length = u32::from_le_bytes(header[16..20].try_into().unwrap()) as usize;
        let Some((name, behind)) = behind.split_at_checked(length) else { break };
        let next = u64::from_le_bytes(header[..8].try_into().unwrap());
        seen.push(Seen { name: String::from_utf8(name.to_vec()).expect("UTF-8"), next });
        rest = behind;
    }
    (seen, used == room)
}

/// Shows `each` all entries from `cookie` on.
fn all(dir: Dir, mut cookie: u64, room: usize, mut each: impl FnMut(&Seen)) {
    loop {
        let (seen, more) = some(dir, cookie, room);
        seen.iter().for_each(&mut each);
        match seen.last() {
            Some(last) if more => cookie = last.next,
            _ => return,
        }
    }
}

fn names(dir: Dir, room: usize) -> Vec<String> {
    let mut names = Vec::new();
    all(dir, 0, room, |seen| names.push(seen.name.clone()));
    names
}

fn remove(dir: Dir, room: usize) {
    let mut removed = 0;
    all(dir, 0, room, |seen| {
        if seen.name != "." && seen.name != ".." {
            // SAFETY: the name is a borrow that outlives the call.
            unsafe { wasip1::path_unlink_file(dir.0, &seen.name) }.expect("a file");
            removed += 1;
        }
    });
    println!("removed {removed}, left {}", names(dir, room).len() - 2);
}

fn again(dir: Dir, room: usize, path: &str) {
    let mut seen = Vec::new();
    all(dir, 0, room, |entry| seen.push((entry.name.clone(), entry.next)));
    let second = Dir::granted(path).expect("the same grant");
    let next_is = |dir, cookie, name: Option<&String>| {
        let (found, _) = some(dir, cookie, 4096);
        found.first().map(|entry| &entry.name) == name
    };
    let mut wrong = 0;
    for (index, (_, cookie)) in seen.iter().enumerate().rev() {
        let name = seen.get(index + 1).map(|(name, _)| name);
        wrong += usize::from(!next_is(second, *cookie, name))
            + usize::from(!next_is(dir, *cookie, name));
    }
    let dots = seen.iter().take(2).map(|(name, _)| name.as_str()).collect::<Vec<_>>();
    println!("{} names after {dots:?}, {wrong} wrong", seen.len() - 2);
}

fn anew(dir: Dir, room: usize, path: &str) {
    let before = names(dir, room).len();
    std::fs::write(format!("{path}/one more"), "").expect("a new file");
    println!("{} more", names(dir, room).len() - before);
}

fn main() {
    let (how, path, room) = (arg(1, "HOW"), arg(2, "PATH"), number(3, "ROOM") as usize);
    let dir = Dir::granted(&path).expect("a grant");
    match how.as_str() {
        "remove" => remove(dir, room),
        "again" => again(dir, room, &path),
        "anew" => anew(dir, room, &path),
        other => panic!("{other}"),
    }
}
