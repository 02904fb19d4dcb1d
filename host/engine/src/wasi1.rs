//! WASI 0.1 as a table: which functions there are, and what a program of it exports. Data only: the worker has the functions.

/// The module that guests import WASI 0.1 from.
pub const MODULE: &str = "wasi_snapshot_preview1";

/// What a command exports: WASI 0.1, "application ABI".
pub const START: &str = "_start";

/// What a reactor exports, to be called before anything else of it: as above.
pub const INITIALIZE: &str = "_initialize";

/// The program: the first of these that is a function. A reactor's has no name (the engine's own command line calls it the
/// default, and looks for it first); all programs of ITK are built so.
pub const STARTS: [&str; 2] = ["", START];

/// A row of [`FUNCTIONS`] as its signature is written: `(i32, i64) -> (i32)`.
pub fn signature(row: &str) -> String {
    let (parameters, results) = row.split_once(':').unwrap_or((row, ""));
    let list = |letters: &str| {
        letters
            .chars()
            .map(|letter| match letter {
                'I' => "i64",
                'D' => "f64",
                _ => "i32",
            })
            .collect::<Vec<_>>()
    };
    format!("({}) -> ({})", list(parameters).join(", "), list(results).join(", "))
}

/// WASI 0.1, `wasi_snapshot_preview1.witx`, with the sockets' `sock_accept`: parameters and results,
/// `i` an i32, `I` an i64. A test holds it against the linker.
pub const FUNCTIONS: &[(&str, &str)] = &[
    ("args_get", "ii:i"),
    ("args_sizes_get", "ii:i"),
    ("clock_res_get", "ii:i"),
    ("clock_time_get", "iIi:i"),
    ("environ_get", "ii:i"),
    ("environ_sizes_get", "ii:i"),
    ("fd_advise", "iIIi:i"),
    ("fd_allocate", "iII:i"),
    ("fd_close", "i:i"),
    ("fd_datasync", "i:i"),
    ("fd_fdstat_get", "ii:i"),
    ("fd_fdstat_set_flags", "ii:i"),
    ("fd_fdstat_set_rights", "iII:i"),
    ("fd_filestat_get", "ii:i"),
    ("fd_filestat_set_size", "iI:i"),
    ("fd_filestat_set_times", "iIIi:i"),
    ("fd_pread", "iiiIi:i"),
    ("fd_prestat_dir_name", "iii:i"),
    ("fd_prestat_get", "ii:i"),
    ("fd_pwrite", "iiiIi:i"),
    ("fd_read", "iiii:i"),
    ("fd_readdir", "iiiIi:i"),
    ("fd_renumber", "ii:i"),
    ("fd_seek", "iIii:i"),
    ("fd_sync", "i:i"),
    ("fd_tell", "ii:i"),
    ("fd_write", "iiii:i"),
    ("path_create_directory", "iii:i"),
    ("path_filestat_get", "iiiii:i"),
    ("path_filestat_set_times", "iiiiIIi:i"),
    ("path_link", "iiiiiii:i"),
    ("path_open", "iiiiiIIii:i"),
    ("path_readlink", "iiiiii:i"),
    ("path_remove_directory", "iii:i"),
    ("path_rename", "iiiiii:i"),
    ("path_symlink", "iiiii:i"),
    ("path_unlink_file", "iii:i"),
    ("poll_oneoff", "iiii:i"),
    ("proc_exit", "i:"),
    ("proc_raise", "i:i"),
    ("random_get", "ii:i"),
    ("sched_yield", ":i"),
    ("sock_accept", "iii:i"),
    ("sock_recv", "iiiiii:i"),
    ("sock_send", "iiiii:i"),
    ("sock_shutdown", "ii:i"),
];
