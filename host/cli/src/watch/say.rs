//! Lines of `up --watch`.

use super::super::render;
use super::super::render::problem::Problem;

pub(super) fn say(text: &str) {
    render::report(&Problem::new(text));
}
