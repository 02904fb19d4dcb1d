//! What an attempt leaves for the next one of the same call.

/// See the module.
pub(in super::super) trait Left: Default + Send + 'static {
    /// The call is to end without having come to anything. Whether it has to finish something first: then attempts go on, those
    /// of a call whose time is over without a bound, and of one that is asked to stop one.
    fn over(&mut self, _why: Over) -> bool {
        false
    }
}

impl Left for () {}

/// Why a wait goes on no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Over {
    TimedOut,
    Stopping,
}
