//! Texts and lists of texts out of a guest's memory, bounded before they are copied.

use super::types::Error;
use wasmtime::component::{WasmList, WasmStr};
use wasmtime::{AsContextMut, StoreContextMut};

/// What an item costs beside its bytes: its header in a message, and what it takes in our memory. By this and the largest
/// budget (900 KiB) one call has 28,800 items at the most, so that no message of it has more than `limits::VALUES` values.
const ITEM: usize = 32;

/// How much of one call's texts is taken.
pub(super) struct Budget {
    left: usize,
    max: usize,
}

impl Budget {
    pub(super) const fn new(max: usize) -> Self {
        Self { left: max, max }
    }

    /// # Errors
    /// [`Error::TooLarge`] where that is more than is left.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), Error> {
        let left = self.left.checked_sub(bytes.saturating_add(ITEM));
        self.left = left.ok_or(Error::TooLarge(self.max as u64))?;
        Ok(())
    }
}

/// The first bytes of it, at most `max`, cut between two characters.
pub(super) fn beginning<T: 'static>(
    text: &WasmStr,
    store: &StoreContextMut<'_, T>,
    max: usize,
) -> wasmtime::Result<String> {
    let text = text.to_str(store)?;
    Ok(text[..text.floor_char_boundary(max)].to_owned())
}

/// A name, a variable, an argument: all of it, without a NUL.
pub(super) fn whole<T: 'static>(
    text: &WasmStr,
    store: &StoreContextMut<'_, T>,
    budget: &mut Budget,
) -> wasmtime::Result<Result<String, Error>> {
    let text = text.to_str(store)?;
    if let Err(error) = budget.spend(text.len()) {
        return Ok(Err(error));
    }
    if text.contains('\0') {
        return Ok(Err(Error::Invalid("a text with a NUL".to_owned())));
    }
    Ok(Ok(text.into_owned()))
}

/// All items of a list, each made by `item`, until one is none.
pub(super) fn items<L, U, T: 'static>(
    list: &WasmList<L>,
    store: &mut StoreContextMut<'_, T>,
    mut item: impl FnMut(L, &mut StoreContextMut<'_, T>) -> wasmtime::Result<Result<U, Error>>,
) -> wasmtime::Result<Result<Vec<U>, Error>>
where
    L: wasmtime::component::Lift,
{
    // Not as many as there are said to be: the first ones may be over the budget already.
    let mut items = Vec::new();
    for index in 0..list.len() {
        let Some(lifted) = list.get(store.as_context_mut(), index) else { break };
        match item(lifted?, store)? {
            Ok(item) => items.push(item),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(items))
}
