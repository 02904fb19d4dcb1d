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
    /// What such a zygote, and each worker of it, gives up beside that once the module is loaded.
    Loaded,
    /// A worker that runs a core module, or a probe in a guest's place.
    Worker,
    /// A worker that runs a component: threads, and connections to other jobs.
    Component,
    /// The same where no cgroup counts its memory: it makes none that no process owns.
    UncountedComponent,
    /// A worker that compiles: threads, and no paths.
    Compiler,
}

impl Filter {
    /// All of them.
    #[cfg(test)]
    pub const ALL: [Self; 7] = [
        Self::Zygote,
        Self::Loader,
        Self::Loaded,
        Self::Worker,
        Self::Component,
        Self::UncountedComponent,
        Self::Compiler,
    ];
}
