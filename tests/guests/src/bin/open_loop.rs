//! open_loop GRANT PATH COUNT: opens and reads PATH, below the grant, COUNT times while somebody
//! swaps what lies there. Prints how often it saw each content or error: `TIMES "content"` and
//! `TIMES refused(ERRNO)`. It goes through the grant's own descriptor, so that nothing in the guest
//! resolves the path before the host does.

use sandhog_test_guests::{Dir, arg, dir, number};
use std::collections::BTreeMap;

fn look(grant: Dir, path: &str) -> String {
    let seen = grant.open(path, dir::Open::READ).and_then(|fd| {
        let content = dir::read_fd(fd);
        dir::close(fd).and(content)
    });
    match seen {
        Ok(content) => format!("{content:?}"),
        Err(errno) => format!("refused({})", errno.name()),
    }
}

fn main() {
    let (grant, path) = (dir::granted_or_exit(&arg(1, "GRANT")), arg(2, "PATH"));
    let mut seen = BTreeMap::new();
    for _ in 0..number(3, "COUNT") {
        *seen.entry(look(grant, &path)).or_insert(0u64) += 1;
    }
    for (what, times) in seen {
        println!("{times} {what}");
    }
}
