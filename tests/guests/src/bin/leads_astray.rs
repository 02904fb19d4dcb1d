//! leads_astray NAME TARGET: in its first attempt it moves NAME away in `/app`, puts a symlink to TARGET in its place, and
//! ends with code 7, so that it is started again. In every later one it prints what it gets: its stdin, and the file `secret`
//! in `/sub`, where it also makes the file `written`.

use sandhog_test_guests::dir::Open;
use sandhog_test_guests::{Dir, arg};
use std::io::Read;

fn main() {
    let app = Dir::granted("/app").expect("/app");
    if app.stat("tried").is_err() {
        let (name, target) = (arg(1, "NAME"), arg(2, "TARGET"));
        let swapped =
            app.write("tried", Open::CREATE, "").and_then(|()| app.rename(&name, "moved"));
        let swapped = swapped.and_then(|()| app.symlink(&target, &name));
        std::process::exit(if swapped.is_ok() { 7 } else { 8 });
    }
    let mut input = String::new();
    let _ = std::io::stdin().read_to_string(&mut input);
    println!("stdin: {input}");
    if let Some(sub) = Dir::granted("/sub") {
        println!("sub: {}", sub.read("secret").unwrap_or_else(|errno| errno.name().into()));
        let _ = sub.write("written", Open::CREATE, "");
    }
    loop {
        std::thread::sleep(std::time::Duration::from_secs(3600));
    }
}
