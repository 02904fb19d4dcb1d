//! Calls of WASI 0.2 that name a path, asked again where the kernel could not tell: see [`crate::preview1`], which does
//! it for core modules and says why. Those of WASI 0.3 are asked once.

use super::ComponentGuest;
use crate::preview1::TRIES;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::{
    filesystem::WasiFilesystemView,
    p2::bindings::filesystem::types::{
        Descriptor, DescriptorFlags, DescriptorStat, ErrorCode, HostDescriptor, MetadataHashValue, NewTimestamp,
        OpenFlags, PathFlags,
    },
};

/// The version is the library's.
pub(super) const TYPES: &str = "wasi:filesystem/types@0.2.12";

macro_rules! calls {
    ($($name:literal $call:ident($($argument:ident: $type:ty),+) -> $answer:ty;)+) => {
        /// Puts ours in the place of the library's.
        pub(super) fn link(linker: &mut Linker<ComponentGuest>) -> wasmtime::Result<()> {
            linker.allow_shadowing(true);
            let mut types = linker.instance(TYPES)?;
            $(types.func_wrap_async(
                concat!("[method]descriptor.", $name),
                |mut store, (fd, $($argument),+): (Resource<Descriptor>, $($type),+)| Box::new(async move {
                    for _ in 0..TRIES {
                        let mut view = store.data_mut().filesystem();
                        let fd = Resource::new_borrow(fd.rep());
                        match view.$call(fd, $(again(&$argument)),+).await {
                            Ok(answer) => return Ok((Ok::<$answer, ErrorCode>(answer),)),
                            Err(error) => match error.downcast()? {
                                ErrorCode::Already => {}
                                code => return Ok((Err(code),)),
                            },
                        }
                    }
                    Ok((Err(ErrorCode::NotPermitted),))
                }),
            )?;)+
            linker.allow_shadowing(false);
            Ok(())
        }
    };
}

calls! {
    "create-directory-at" create_directory_at(path: String) -> ();
    "stat-at" stat_at(flags: PathFlags, path: String) -> DescriptorStat;
    "set-times-at" set_times_at(flags: PathFlags, path: String, access: NewTimestamp, change: NewTimestamp) -> ();
    "link-at" link_at(flags: PathFlags, old: String, to: Resource<Descriptor>, new: String) -> ();
    "open-at" open_at(flags: PathFlags, path: String, how: OpenFlags, rights: DescriptorFlags) -> Resource<Descriptor>;
    "readlink-at" readlink_at(path: String) -> String;
    "remove-directory-at" remove_directory_at(path: String) -> ();
    "rename-at" rename_at(old: String, to: Resource<Descriptor>, new: String) -> ();
    "symlink-at" symlink_at(old: String, new: String) -> ();
    "unlink-file-at" unlink_file_at(path: String) -> ();
    "metadata-hash-at" metadata_hash_at(flags: PathFlags, path: String) -> MetadataHashValue;
}

/// An argument once more.
trait Again {
    fn again(&self) -> Self;
}

fn again<T: Again>(argument: &T) -> T {
    argument.again()
}

impl Again for Resource<Descriptor> {
    fn again(&self) -> Self {
        Self::new_borrow(self.rep())
    }
}

impl Again for String {
    fn again(&self) -> Self {
        self.clone()
    }
}

macro_rules! copied {
    ($($type:ty),+) => { $(impl Again for $type { fn again(&self) -> Self { *self } })+ };
}

copied!(PathFlags, OpenFlags, DescriptorFlags, NewTimestamp);
