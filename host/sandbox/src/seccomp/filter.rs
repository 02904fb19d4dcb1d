//! The lists of system calls that there are, and whose each is.
//!
//! Must not: know what is on one.

/// A list of system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// A zygote that loads no module, after its namespaces, and every worker of it until it has its own filter.
    Zygote,
    /// The same for a zygote that loads a module. `objects`: its workers use objects of their group; `clients`: they serve clients
    /// whose connections come to them.
    Loader { objects: bool, clients: bool },
    /// A zygote of keepers.
    KeeperZygote,
    /// What a zygote that loads a module, and each worker of it, gives up beside that once the module is loaded.
    Loaded,
    /// A worker that runs a core module, or a probe in a guest's place.
    Worker { objects: bool },
    /// A worker that runs a component: threads, and connections to other jobs. `counted`: a cgroup counts its memory; where none
    /// does it makes none that no process owns.
    Component { counted: bool, objects: bool, clients: bool },
    /// A worker that compiles: threads, and no paths.
    Compiler,
    /// A worker that keeps the objects of a group.
    Keeper,
}

/// Those of which there are several, with nothing beside the rest.
impl Filter {
    pub const LOADER: Self = Self::Loader { objects: false, clients: false };
    pub const WORKER: Self = Self::Worker { objects: false };
    pub const COMPONENT: Self = Self::Component { counted: true, objects: false, clients: false };
    pub const UNCOUNTED: Self = Self::Component { counted: false, objects: false, clients: false };

    /// The same with objects; those that know none stay as they are.
    #[must_use]
    pub const fn with_objects(self) -> Self {
        match self {
            Self::Loader { clients, .. } => Self::Loader { objects: true, clients },
            Self::Worker { .. } => Self::Worker { objects: true },
            Self::Component { counted, clients, .. } => Self::Component { counted, objects: true, clients },
            Self::Zygote | Self::KeeperZygote | Self::Loaded | Self::Compiler | Self::Keeper => self,
        }
    }

    /// The same with clients; those that know none stay as they are.
    #[must_use]
    pub const fn with_clients(self) -> Self {
        match self {
            Self::Loader { objects, .. } => Self::Loader { objects, clients: true },
            Self::Component { counted, objects, .. } => Self::Component { counted, objects, clients: true },
            Self::Worker { .. } | Self::Zygote | Self::KeeperZygote | Self::Loaded | Self::Compiler | Self::Keeper => {
                self
            }
        }
    }

    /// All of them.
    #[cfg(test)]
    pub(super) fn all() -> Vec<Self> {
        let several = [Self::LOADER, Self::WORKER, Self::COMPONENT, Self::UNCOUNTED];
        let mut all = vec![Self::Zygote, Self::KeeperZygote, Self::Loaded, Self::Compiler, Self::Keeper];
        for filter in several.into_iter().flat_map(|filter| [filter, filter.with_clients()]) {
            for filter in [filter, filter.with_objects()] {
                if !all.contains(&filter) {
                    all.push(filter);
                }
            }
        }
        all
    }
}
