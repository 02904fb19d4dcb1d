//! Writes a line, closes its own stdout, writes again, and tells on stderr how that ended:
//! `refused(ERRNO)` and exit code 0, or `written` and exit code 1.

use sandhog_test_guests::dir;

const STDOUT: u32 = 1;

fn main() {
    println!("before");
    if let Err(errno) = dir::close(STDOUT) {
        eprintln!("close refused({})", errno.name());
    }
    match dir::write_fd(STDOUT, "after\n") {
        Err(errno) => eprintln!("refused({})", errno.name()),
        Ok(()) => {
            eprintln!("written");
            std::process::exit(1)
        }
    }
}
