//! spew [BYTES]: writes BYTES bytes, or for ever, to stdout. Byte `i` of the output is `i % 251`,
//! so a reader can tell a lost or doubled piece. A write that fails ends it with exit code 1.

fn main() {
    sandhog_test_guests::spew(1);
}
