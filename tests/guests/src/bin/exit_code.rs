//! exit_code CODE: exits with CODE.

fn main() {
    std::process::exit(sandhog_test_guests::number(1, "CODE") as i32);
}
