//! Prints 16 random bytes of the host's, in hexadecimal.

fn main() {
    let mut bytes = [0u8; 16];
    // SAFETY: the host writes 16 bytes into an array of 16.
    unsafe { wasip1::random_get(bytes.as_mut_ptr(), bytes.len()) }
        .expect("the host has randomness");
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    println!("{hex}");
}
