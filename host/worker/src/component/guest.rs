//! What the store of a component holds for its guest.

use super::http::Http;
use super::random::Kernel;
use super::stdio::{Output, Stdin, To};
use crate::hostcalls::{self, MemoryUse, Parts, Seen, View};
use crate::session::Session;
use crate::store::Limiter;
use crate::wasi::{self, Monotonic};
use sandhog_protocol::plan::{Access, GuestPlan};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

/// The host's side of one component, made anew for each attempt after the fork.
pub(crate) struct ComponentGuest {
    wasi: WasiCtx,
    http: Http,
    table: ResourceTable,
    pub(super) limiter: Limiter,
    pub(super) session: Session,
    /// See [`View::busy`].
    pub(super) busy: Option<Arc<AtomicBool>>,
}

impl ComponentGuest {
    /// What a guest of `plan` starts with. `directories` are the plan's, in its order, and have to stay open for as long as
    /// the guest runs: see [`crate::guest::Guest`], `mounts`. `seed` is drawn for it alone, after the fork.
    ///
    /// # Errors
    /// Where a granted directory can't be opened.
    pub(super) fn new(
        plan: &GuestPlan,
        directories: &[(OwnedFd, Access)],
        session: Session,
        limiter: Limiter,
        seed: u128,
    ) -> Result<Self, wasi::Error> {
        let mut builder = WasiCtxBuilder::new();
        builder
            .args(&plan.args)
            .envs(&plan.env)
            .allow_blocking_current_thread(true)
            .monotonic_clock(Monotonic(session.start()))
            .stdin(Stdin { input: session.input().clone(), is_terminal: plan.terminals[0] })
            .stdout(Output { to: To::Out, is_terminal: plan.terminals[1] })
            .stderr(Output { to: To::Err, is_terminal: plan.terminals[2] })
            .secure_random(Kernel::new())
            .insecure_random(Kernel::new())
            .insecure_random_seed(seed)
            // Denied before a socket is asked for: the filter would kill the worker for it.
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false);
        wasi::grant_all(&mut builder, plan, directories)?;
        let mut table = ResourceTable::new();
        table.set_max_capacity(hostcalls::HANDLES);
        Ok(Self { wasi: builder.build(), http: Http::new(), table, limiter, session, busy: None })
    }
}

impl WasiView for ComponentGuest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for ComponentGuest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.http.view(&mut self.table)
    }
}

impl View for ComponentGuest {
    fn parts(&mut self) -> Parts<'_> {
        Parts { session: &mut self.session, table: &mut self.table }
    }

    fn seen(&self) -> Seen<'_> {
        Seen { session: &self.session, table: &self.table }
    }

    fn memory(&self) -> MemoryUse {
        MemoryUse {
            used: self.limiter.used_bytes(),
            peak: self.limiter.peak_bytes(),
            limit: self.limiter.limit_bytes() as u64,
        }
    }

    fn busy(&self) -> Option<Arc<AtomicBool>> {
        self.busy.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_ipc::FrameBuffer;
    use sandhog_sys::{descriptors::StandardStream, in_child::in_child};
    use std::io::Write;
    use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};

    fn ours() -> WasiCtx {
        let socket = StandardStream::Stdin.borrow().try_clone_to_owned().unwrap();
        let session =
            Session::new(socket, FrameBuffer::default(), None, sandhog_channel::Large::Memory, &GuestPlan::default());
        let seed = Kernel::new().seed();
        ComponentGuest::new(&GuestPlan::default(), &[], session, Limiter::of_component(0), seed).unwrap().wasi
    }

    /// What two workers draw whose zygote has touched the library's generator.
    fn drawn_by_two(context: impl Fn() -> WasiCtx) -> (Vec<u8>, Vec<u8>) {
        let bytes = in_child(|answer| {
            drop(WasiCtxBuilder::new());
            for _ in 0..2 {
                let worker = in_child(|answer| {
                    let mut context = context();
                    let random = context.random();
                    let secure = random::Host::get_random_u64(random).unwrap();
                    let insecure = insecure::Host::get_insecure_random_u64(random).unwrap();
                    let (seed, _) = insecure_seed::Host::insecure_seed(random).unwrap();
                    let drawn = [secure, insecure, seed].map(u64::to_le_bytes).concat();
                    answer.write_all(&drawn).unwrap();
                });
                answer.write_all(&worker).unwrap();
            }
        });
        let (first, second) = bytes.split_at(bytes.len() / 2);
        (first.to_vec(), second.to_vec())
    }

    #[test]
    fn workers_of_one_zygote_draw_different_random_numbers_where_the_library_would_repeat_them() {
        let (first, second) = drawn_by_two(|| WasiCtxBuilder::new().build());
        assert_eq!((first.len(), &first), (24, &second), "the trap is no more: the generators of ours could go");
        let (first, second) = drawn_by_two(ours);
        let pairs = first.chunks(8).zip(second.chunks(8));
        assert!(first.len() == 24 && pairs.clone().all(|(first, second)| first != second), "{first:?} {second:?}");
    }
}
