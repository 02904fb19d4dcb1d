//! The next entry of a directory in WASI 0.2. In the library one name that is not UTF-8 is an error, at which programs give
//! the whole listing up; ours leaves such a name out, as in WASI 0.1. Listings of WASI 0.3 are streams of the library's own
//! and end at such a name.

use super::ComponentGuest;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::{
    filesystem::{WasiFilesystemCtxView, WasiFilesystemView},
    p2::bindings::filesystem::types::{DirectoryEntry, DirectoryEntryStream, ErrorCode, HostDirectoryEntryStream},
};

/// Puts ours in the place of the library's; `types` names the interface.
pub(super) fn link(linker: &mut Linker<ComponentGuest>, types: &str) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker.instance(types)?.func_wrap_async(
        "[method]directory-entry-stream.read-directory-entry",
        |mut store, (stream,): (Resource<DirectoryEntryStream>,)| {
            Box::new(async move { Ok((next_entry(store.data_mut().filesystem(), &stream).await?,)) })
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// None: the end. The library has the whole listing by then, so that this comes to an end.
async fn next_entry(
    mut view: WasiFilesystemCtxView<'_>,
    stream: &Resource<DirectoryEntryStream>,
) -> wasmtime::Result<Result<Option<DirectoryEntry>, ErrorCode>> {
    loop {
        match view.read_directory_entry(Resource::new_borrow(stream.rep())).await {
            Ok(entry) => return Ok(Ok(entry)),
            Err(error) => {
                let code = error.downcast()?;
                if !matches!(code, ErrorCode::IllegalByteSequence) {
                    return Ok(Err(code));
                }
            }
        }
    }
}
