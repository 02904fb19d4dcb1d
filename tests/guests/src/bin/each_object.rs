//! each_object: uses each kind of object that a guest can make, and says what comes of it. A core module, which is linked as it is.

#[path = "../each_object.rs"]
mod each_object;

fn main() {
    each_object::main();
}
