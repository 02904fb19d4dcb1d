//! Keys of the manifest itself, beside those of its jobs.

/// A key at the top of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Top {
    Name,
    Strategy,
    Group,
    Defaults,
    Job,
    Profile,
}

impl Top {
    pub const ALL: [Self; 6] = [Self::Name, Self::Strategy, Self::Group, Self::Defaults, Self::Job, Self::Profile];

    pub const fn key(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Strategy => "strategy",
            Self::Group => "group",
            Self::Defaults => "defaults",
            Self::Job => "job",
            Self::Profile => "profile",
        }
    }

    /// As it is written: tables in brackets.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Name | Self::Strategy => self.key(),
            Self::Group => "[group.NAME]",
            Self::Defaults => "[defaults]",
            Self::Job => "[job.NAME]",
            Self::Profile => "[profile.NAME]",
        }
    }

    /// One sentence without a full stop.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Name => "The group of its jobs; by default the folder's name",
            Self::Strategy => {
                "What starts again when one fails: one-for-one: itself; one-for-all: all; rest-for-one: those after it"
            }
            Self::Group => "Further groups, each with a strategy",
            Self::Defaults => "Settings for all jobs, but for those that are of one job",
            Self::Job => "The jobs, each by its name",
            Self::Profile => {
                "Other values for up --profile NAME: of defaults, job.NAME, group.NAME and strategy, by the same keys"
            }
        }
    }

    pub fn find(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|top| top.key() == key)
    }
}
