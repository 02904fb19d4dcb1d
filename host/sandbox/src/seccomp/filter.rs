//! The lists of system calls that there are, and whose each is.
//!
//! Must not: know what is on one.

/// A list of system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// A zygote that loads no module, after its namespaces, and every worker of it until it has its own filter.
    Zygote,
    /// The same for a zygote that loads a module.
    Loader,
    /// The same where its workers use objects of their group.
    LoaderWithObjects,
    /// A zygote of keepers.
    KeeperZygote,
    /// What a zygote that loads a module, and each worker of it, gives up beside that once the module is loaded.
    Loaded,
    /// A worker that runs a core module, or a probe in a guest's place.
    Worker,
    /// The same where it uses objects of its group.
    WorkerWithObjects,
    /// A worker that runs a component: threads, and connections to other jobs.
    Component,
    ComponentWithObjects,
    /// A component's worker where no cgroup counts its memory: it makes none that no process owns.
    UncountedComponent,
    UncountedComponentWithObjects,
    /// A worker that compiles: threads, and no paths.
    Compiler,
    /// A worker that keeps the objects of a group.
    Keeper,
}

impl Filter {
    /// All of them.
    #[cfg(test)]
    pub(super) const ALL: [Self; 13] = [
        Self::Zygote,
        Self::Loader,
        Self::LoaderWithObjects,
        Self::KeeperZygote,
        Self::Loaded,
        Self::Worker,
        Self::WorkerWithObjects,
        Self::Component,
        Self::ComponentWithObjects,
        Self::UncountedComponent,
        Self::UncountedComponentWithObjects,
        Self::Compiler,
        Self::Keeper,
    ];
}
