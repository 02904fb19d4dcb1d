//! Texts for people, compared with files of `host/cli/snapshots`. `./just snapshots` writes those that have changed.
//!
//! Must not: be given a text in which a time, an id or a port differs from run to run.

/// Compares a text with `snapshots/NAME.snap`.
#[track_caller]
pub(crate) fn shows(name: &str, text: &str) {
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}
