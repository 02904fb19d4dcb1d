//! moves_file FROM LINK TO: links FROM as LINK, then renames it to TO.

use sandhog_test_guests::arg;

fn main() -> std::io::Result<()> {
    let from = arg(1, "FROM");
    std::fs::hard_link(&from, arg(2, "LINK"))?;
    std::fs::rename(from, arg(3, "TO"))
}
