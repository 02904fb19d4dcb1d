//! What the store of a component holds for its guest.

use super::random::Kernel;
use super::stdio::{Output, Stdin};
use crate::worker::store::Limiter;
use crate::worker::wasi::{self, Monotonic};
use sandhog_protocol::plan::{Access, GuestPlan};
use std::os::fd::OwnedFd;
use std::time::Instant;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

/// Most resources (streams, pollables, descriptors, errors) that a guest may hold at once. Each costs the worker some
/// hundred bytes of its own memory; an honest guest has a few hundred.
const RESOURCES: usize = 1 << 16;

/// The host's side of one component, made anew for each attempt after the fork.
pub(crate) struct ComponentGuest {
    pub(in crate::worker) wasi: WasiCtx,
    pub(in crate::worker) table: ResourceTable,
    pub(in crate::worker) limiter: Limiter,
    /// Zero of the guest's monotonic clock.
    #[expect(dead_code, reason = "for the host functions of `sandhog:job`")]
    pub(in crate::worker) birth: Instant,
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
        birth: Instant,
    ) -> Result<Self, wasi::Error> {
        let mut builder = WasiCtxBuilder::new();
        builder
            .args(&plan.args)
            .envs(&plan.env)
            .allow_blocking_current_thread(true)
            .monotonic_clock(Monotonic(birth))
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
        table.set_max_capacity(RESOURCES);
        Ok(Self { wasi: builder.build(), table, limiter: Limiter::of_component(plan.memory_bytes), birth })
    }
}

impl WasiView for ComponentGuest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
