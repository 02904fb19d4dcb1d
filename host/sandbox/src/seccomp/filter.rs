//! The lists of system calls that there are, and whose each is.
//!
//! Must not: know what is on one.

/// A list of system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// A zygote that loads no module, after its namespaces, and every worker of it until it has its own filter.
    Zygote,
    /// The same for a zygote that loads a module. `objects`: its workers use objects of their group.
    Loader { objects: bool, peers: Peers },
    /// A zygote of keepers.
    KeeperZygote,
    /// What a zygote that loads a module, and each worker of it, gives up beside that once the module is loaded.
    Loaded,
    /// A worker that runs a core module, or a probe in a guest's place. `sockets`: as [`Peers::Sockets`].
    Worker { objects: bool, sockets: bool },
    /// A worker that runs a component: threads, and connections to other jobs. `counted`: a cgroup counts its memory; where none
    /// does it makes none that no process owns.
    Component { counted: bool, objects: bool, peers: Peers },
    /// A worker that compiles: threads, and no paths.
    Compiler,
    /// A worker that keeps the objects of a group.
    Keeper,
}

/// Peers on the network that a worker may have. A job that serves clients has no sockets of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peers {
    None,
    /// It serves clients whose connections come to it.
    Clients,
    /// It accepts clients from sockets that it was given, and takes what others pass on.
    Sockets,
}

/// Those of which there are several, with nothing beside the rest.
impl Filter {
    pub const LOADER: Self = Self::Loader { objects: false, peers: Peers::None };
    pub const WORKER: Self = Self::Worker { objects: false, sockets: false };
    pub const COMPONENT: Self = Self::Component { counted: true, objects: false, peers: Peers::None };
    pub const UNCOUNTED: Self = Self::Component { counted: false, objects: false, peers: Peers::None };

    /// The same with objects; those that know none stay as they are.
    #[must_use]
    pub const fn with_objects(self) -> Self {
        match self {
            Self::Loader { peers, .. } => Self::Loader { objects: true, peers },
            Self::Worker { sockets, .. } => Self::Worker { objects: true, sockets },
            Self::Component { counted, peers, .. } => Self::Component { counted, objects: true, peers },
            Self::Zygote | Self::KeeperZygote | Self::Loaded | Self::Compiler | Self::Keeper => self,
        }
    }

    /// The same with clients; those that know none stay as they are.
    #[must_use]
    pub const fn with_clients(self) -> Self {
        match self {
            Self::Loader { .. } | Self::Component { .. } => self.with(Peers::Clients),
            Self::Worker { .. } | Self::Zygote | Self::KeeperZygote | Self::Loaded | Self::Compiler | Self::Keeper => {
                self
            }
        }
    }

    /// The same with sockets; those that know none stay as they are.
    #[must_use]
    pub const fn with_sockets(self) -> Self {
        self.with(Peers::Sockets)
    }

    const fn with(self, peers: Peers) -> Self {
        match self {
            Self::Loader { objects, .. } => Self::Loader { objects, peers },
            Self::Component { counted, objects, .. } => Self::Component { counted, objects, peers },
            Self::Worker { objects, .. } => Self::Worker { objects, sockets: matches!(peers, Peers::Sockets) },
            Self::Zygote | Self::KeeperZygote | Self::Loaded | Self::Compiler | Self::Keeper => self,
        }
    }

    /// All of them.
    #[cfg(test)]
    pub(super) fn all() -> Vec<Self> {
        let several = [Self::LOADER, Self::WORKER, Self::COMPONENT, Self::UNCOUNTED];
        let mut all = vec![Self::Zygote, Self::KeeperZygote, Self::Loaded, Self::Compiler, Self::Keeper];
        let several = several.into_iter().flat_map(|filter| [filter, filter.with_clients(), filter.with_sockets()]);
        for filter in several {
            for filter in [filter, filter.with_objects()] {
                if !all.contains(&filter) {
                    all.push(filter);
                }
            }
        }
        all
    }
}
