//! plants_a_link NAME TARGET: puts a symlink to TARGET under NAME into `/app`, and traps.

use sandhog_test_guests::{Dir, arg};

fn main() {
    let app = Dir::granted("/app").expect("/app");
    if app.symlink(&arg(2, "TARGET"), &arg(1, "NAME")).is_err() {
        std::process::exit(1);
    }
    std::process::abort();
}
