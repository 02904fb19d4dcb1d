//! read_on_line GRANT: for each line of stdin, opens and reads the file of that name below GRANT and
//! prints its content, quoted, or `refused(ERRNO)`, at once. A test decides what happens in between.

use sandhog_test_guests::{arg, dir};

fn main() {
    let grant = dir::granted_or_exit(&arg(1, "GRANT"));
    for path in std::io::stdin().lines().map_while(Result::ok) {
        match grant.read(&path) {
            Ok(content) => println!("{content:?}"),
            Err(errno) => println!("refused({})", errno.name()),
        }
    }
}
