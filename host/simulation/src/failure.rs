//! How a world fails: caught, with the place in the code where it did.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, resume_unwind};
use std::sync::Once;

/// How a world has failed. Two failures at one place in the code are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) place: String,
    pub(crate) text: String,
}

thread_local! {
    /// What panics here is expected, and told by whoever catches it.
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<Failure>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// Ends a world whose rules are held in one place of the code: a smaller world has to break a rule of the same words. Numbers and
/// signs do not count.
///
/// # Panics
/// Always: with the text.
#[track_caller]
pub fn fail(text: String) -> ! {
    if !IS_CAUGHT.get() {
        panic!("{text}");
    }
    let words = text.split(|sign: char| !sign.is_alphabetic()).filter(|word| !word.is_empty());
    let place = format!("the rule: {}", words.collect::<Vec<_>>().join(" "));
    resume_unwind(Box::new(Failure { place, text }));
}

/// Does it; a panic is a failure, and is not printed.
pub(crate) fn caught<T>(act: impl FnOnce() -> T) -> Result<T, Failure> {
    HOOK.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| if IS_CAUGHT.get() { keep(info) } else { others(info) }));
    });
    let before = IS_CAUGHT.replace(true);
    let done = catch_unwind(AssertUnwindSafe(act));
    IS_CAUGHT.set(before);
    done.map_err(|payload| {
        if let Ok(failure) = payload.downcast::<Failure>() {
            return *failure;
        }
        let unknown = Failure { place: "an unknown place".into(), text: "it was unwound without a panic".into() };
        LAST.take().unwrap_or(unknown)
    })
}

fn keep(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let text = info.payload_as_str().unwrap_or("a panic without a text").to_owned();
    LAST.set(Some(Failure { place, text }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_its_place_and_its_text() {
        let failure = caught(|| assert_eq!(1 + 1, 3, "so it is")).unwrap_err();
        assert!(failure.place.contains("failure.rs:") && failure.text.contains("so it is"), "{failure:?}");
        assert_eq!(caught(|| 7), Ok(7));
        let [seven, eight, other] = ["item 7 is lost", "item (8) is lost", "item 7 is late"]
            .map(|text| caught(|| -> () { fail(text.to_owned()) }).unwrap_err());
        assert_eq!((&seven.place, &seven.text[..]), (&eight.place, "item 7 is lost"));
        assert_ne!(seven.place, other.place);
    }
}
