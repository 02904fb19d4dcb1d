//! Texts for people, compared with files of `tests/snapshots`. `./just snapshots` writes those that have changed.
//!
//! Must not: write any itself.

/// Compares a text with `snapshots/NAME.snap`, in which what differs from run to run is replaced: pairs of a text and its
/// replacement, in this order.
///
/// # Panics
///
/// Where they differ.
#[track_caller]
pub fn shows(name: &str, text: &str, replaced: &[(&str, &str)]) {
    let text = replaced.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}
