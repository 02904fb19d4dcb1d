//! What the store of a component holds for its guest.

use super::random::Kernel;
use super::stdio::{Output, Stdin};
use crate::worker::hostcalls::{self, MemoryUse, Parts, View};
use crate::worker::session::Session;
use crate::worker::store::Limiter;
use crate::worker::wasi::{self, Monotonic};
use sandhog_protocol::plan::{Access, GuestPlan};
use std::os::fd::OwnedFd;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

/// The host's side of one component, made anew for each attempt after the fork.
pub(crate) struct ComponentGuest {
    wasi: WasiCtx,
    table: ResourceTable,
    pub(super) limiter: Limiter,
    pub(super) session: Session,
}

impl ComponentGuest {
    /// What a guest of `plan` starts with. `directories` are the plan's, in its order, and have to stay open for as long as
    /// the guest runs: see [`crate::worker::guest::Guest`], `mounts`. Draws random numbers, so it has its place after the fork.
    ///
    /// # Errors
    /// Where a granted directory can't be opened.
    pub(super) fn new(
        plan: &GuestPlan,
        directories: &[(OwnedFd, Access)],
        session: Session,
        limiter: Limiter,
    ) -> Result<Self, wasi::Error> {
        let mut builder = WasiCtxBuilder::new();
        builder
            .args(&plan.args)
            .envs(&plan.env)
            .allow_blocking_current_thread(true)
            .monotonic_clock(Monotonic(session.birth()))
            .stdin(Stdin)
            .stdout(Output::Out)
            .stderr(Output::Err)
            .secure_random(Kernel::new())
            .insecure_random(Kernel::new())
            .insecure_random_seed(Kernel::new().seed())
            // Denied before a socket is asked for: the filter would kill the worker for it.
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false);
        wasi::grant_all(&mut builder, plan, directories)?;
        let mut table = ResourceTable::new();
        table.set_max_capacity(hostcalls::HANDLES);
        Ok(Self { wasi: builder.build(), table, limiter, session })
    }
}

impl WasiView for ComponentGuest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl View for ComponentGuest {
    fn parts(&mut self) -> Parts<'_> {
        Parts { session: &mut self.session, table: &mut self.table }
    }

    fn memory(&self) -> MemoryUse {
        MemoryUse {
            used: self.limiter.used_bytes(),
            peak: self.limiter.peak_bytes(),
            limit: self.limiter.limit_bytes() as u64,
        }
    }
}
