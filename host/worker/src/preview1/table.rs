//! A guest's descriptors: which number is which stream, file or directory. Each file and directory has a descriptor of the
//! worker's own behind it, so that the limit of open files bounds this table too.

use super::{errno::Errno, listing::Listing};
use crate::{sockets::Kind, stdio::Stream};
use sandhog_protocol::plan::Access;
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

/// What a descriptor is.
#[derive(Debug)]
pub(super) enum Entry {
    /// The worker's own stream, which stays open when the guest closes it: its number must not become another file's.
    Stream(Stream),
    File(File),
    Directory(Directory),
    Socket(Socket),
}

/// An open file. Position, append mode and rights to read and write are the kernel's.
#[derive(Debug)]
pub(super) struct File {
    pub(super) fd: OwnedFd,
    /// What the grant that it lies in allows.
    pub(super) access: Access,
    /// Calls wait, as the guest sees it: for a regular file it means nothing.
    pub(super) blocks: bool,
}

/// An open directory.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) fd: Arc<OwnedFd>,
    pub(super) access: Access,
    /// Where the guest finds a granted directory; None: it has opened this one itself.
    pub(super) granted_as: Option<String>,
    /// Where a listing of it is.
    pub(super) listing: Option<Listing>,
}

/// A socket of TCP that the guest was given, or a client that it has accepted.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) fd: OwnedFd,
    pub(crate) kind: Kind,
    /// Calls wait. It is the guest's own flag: the kernel's is shared with all who have the socket.
    pub(crate) blocks: bool,
}

impl Directory {
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// # Errors
    /// PERM where the grant is read-only.
    pub(super) fn writable(&self) -> Result<&Self, Errno> {
        allows_writing(self.access).map(|()| self)
    }
}

/// # Errors
/// PERM where it does not. The mount and Landlock say the same; this says it first, and for all calls alike.
pub(super) fn allows_writing(access: Access) -> Result<(), Errno> {
    match access {
        Access::ReadWrite => Ok(()),
        Access::ReadOnly => Err(Errno::Perm),
    }
}

/// By number: the lowest that is free is the next one's, as programs expect that close one to get it again.
#[derive(Debug)]
pub(crate) struct Table {
    entries: Vec<Option<Entry>>,
    free: BinaryHeap<Reverse<u32>>,
}

impl Table {
    /// The three streams, the sockets on which it listens from 3 on, and then the granted directories, by name.
    pub(crate) fn new(
        listeners: Vec<OwnedFd>,
        granted: impl IntoIterator<Item = (String, Arc<OwnedFd>, Access)>,
    ) -> Self {
        let streams = [Stream::In, Stream::Out, Stream::Err].map(Entry::Stream);
        let directories = granted.into_iter().map(|(name, fd, access)| {
            Entry::Directory(Directory { fd, access, granted_as: Some(name), listing: None })
        });
        let listens = |fd| Entry::Socket(Socket { fd, kind: Kind::Listener, blocks: true });
        let sockets = listeners.into_iter().map(listens);
        let entries = streams.into_iter().chain(sockets).chain(directories);
        Self { entries: entries.map(Some).collect(), free: BinaryHeap::new() }
    }

    /// # Errors
    /// BADF, as everywhere here, where there is none of this number, or where it is something else.
    pub(super) fn get(&self, number: u32) -> Result<&Entry, Errno> {
        self.entries.get(number as usize).and_then(Option::as_ref).ok_or(Errno::Badf)
    }

    fn get_mut(&mut self, number: u32) -> Result<&mut Entry, Errno> {
        self.entries.get_mut(number as usize).and_then(Option::as_mut).ok_or(Errno::Badf)
    }

    pub(super) fn file(&self, number: u32) -> Result<&File, Errno> {
        match self.get(number)? {
            Entry::File(file) => Ok(file),
            Entry::Stream(_) | Entry::Directory(_) | Entry::Socket(_) => Err(Errno::Badf),
        }
    }

    pub(super) fn file_mut(&mut self, number: u32) -> Result<&mut File, Errno> {
        match self.get_mut(number)? {
            Entry::File(file) => Ok(file),
            Entry::Stream(_) | Entry::Directory(_) | Entry::Socket(_) => Err(Errno::Badf),
        }
    }

    /// A file.
    ///
    /// # Errors
    /// SPIPE where it is a stream or a socket, which have no position.
    pub(super) fn seekable(&self, number: u32) -> Result<&File, Errno> {
        match self.get(number)? {
            Entry::File(file) => Ok(file),
            Entry::Stream(_) | Entry::Socket(_) => Err(Errno::Spipe),
            Entry::Directory(_) => Err(Errno::Badf),
        }
    }

    pub(super) fn directory(&self, number: u32) -> Result<&Directory, Errno> {
        match self.get(number)? {
            Entry::Directory(directory) => Ok(directory),
            Entry::Stream(_) | Entry::File(_) | Entry::Socket(_) => Err(Errno::Badf),
        }
    }

    pub(super) fn directory_mut(&mut self, number: u32) -> Result<&mut Directory, Errno> {
        match self.get_mut(number)? {
            Entry::Directory(directory) => Ok(directory),
            Entry::Stream(_) | Entry::File(_) | Entry::Socket(_) => Err(Errno::Badf),
        }
    }

    /// # Errors
    /// NOTSOCK where it is something else.
    pub(super) fn socket(&self, number: u32) -> Result<&Socket, Errno> {
        match self.get(number)? {
            Entry::Socket(socket) => Ok(socket),
            Entry::Stream(_) | Entry::File(_) | Entry::Directory(_) => Err(Errno::Notsock),
        }
    }

    /// # Errors
    /// As [`Self::socket`]; NOTCONN of one that listens.
    pub(super) fn client(&self, number: u32) -> Result<&Socket, Errno> {
        let socket = self.socket(number)?;
        match socket.kind {
            Kind::Stream => Ok(socket),
            Kind::Listener => Err(Errno::Notconn),
        }
    }

    pub(super) fn set_blocks(&mut self, number: u32, blocks: bool) -> Result<(), Errno> {
        match self.get_mut(number)? {
            Entry::Socket(socket) => {
                socket.blocks = blocks;
                Ok(())
            }
            Entry::Stream(_) | Entry::File(_) | Entry::Directory(_) => Err(Errno::Notsock),
        }
    }

    /// The socket that `number` is; None: none.
    pub(crate) fn as_socket(&self, number: u32) -> Option<&Socket> {
        self.socket(number).ok()
    }

    /// Which stream `number` is; None: none.
    pub(crate) fn stream(&self, number: u32) -> Option<Stream> {
        match self.get(number) {
            Ok(Entry::Stream(stream)) => Some(*stream),
            Ok(Entry::File(_) | Entry::Directory(_) | Entry::Socket(_)) | Err(_) => None,
        }
    }

    pub(crate) fn is_file(&self, number: u32) -> bool {
        self.file(number).is_ok()
    }

    /// Takes `entry` in and says its number.
    ///
    /// # Errors
    /// NFILE, which the limit of open files comes before.
    pub(super) fn insert(&mut self, entry: Entry) -> Result<u32, Errno> {
        if let Some(Reverse(number)) = self.free.pop() {
            self.entries[number as usize] = Some(entry);
            return Ok(number);
        }
        let number = u32::try_from(self.entries.len()).map_err(|_| Errno::Nfile)?;
        self.entries.push(Some(entry));
        Ok(number)
    }

    /// Closes `number`.
    pub(super) fn remove(&mut self, number: u32) -> Result<Entry, Errno> {
        let entry = self.entries.get_mut(number as usize).and_then(Option::take).ok_or(Errno::Badf)?;
        self.free.push(Reverse(number));
        Ok(entry)
    }

    /// Makes `to`, which is closed for it, what `from` was; `from` is free then.
    pub(super) fn renumber(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        self.get(to)?;
        self.get(from)?;
        if from != to {
            let moved = self.remove(from)?;
            self.entries[to as usize] = Some(moved);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File as Open;

    fn table() -> Table {
        let root = Arc::new(OwnedFd::from(Open::open("/").unwrap()));
        Table::new(Vec::new(), [("/a".to_owned(), root, Access::ReadOnly)])
    }

    fn file() -> Entry {
        Entry::File(File { fd: Open::open("/dev/null").unwrap().into(), access: Access::ReadOnly, blocks: true })
    }

    #[test]
    fn the_lowest_number_that_is_free_is_the_next() {
        let mut table = table();
        assert_eq!(table.insert(file()), Ok(4));
        assert_eq!(table.insert(file()), Ok(5));
        for number in [4, 0, 5] {
            table.remove(number).unwrap();
        }
        assert_eq!([(); 4].map(|()| table.insert(file()).unwrap()), [0, 4, 5, 6]);
    }

    #[test]
    fn a_closed_number_is_nothing() {
        let mut table = table();
        table.remove(1).unwrap();
        assert_eq!(table.get(1).err(), Some(Errno::Badf));
        assert_eq!(table.remove(1).err(), Some(Errno::Badf));
        assert_eq!(table.remove(u32::MAX).err(), Some(Errno::Badf));
        assert_eq!(table.stream(1), None);
    }

    #[test]
    fn a_renumbered_stream_keeps_its_meaning_and_its_old_number_is_free() {
        let mut table = table();
        table.renumber(1, 2).unwrap();
        assert_eq!((table.stream(1), table.stream(2)), (None, Some(Stream::Out)));
        table.renumber(2, 2).unwrap();
        assert_eq!(table.stream(2), Some(Stream::Out));
        assert_eq!(table.renumber(1, 2), Err(Errno::Badf));
        assert_eq!(table.renumber(2, 9), Err(Errno::Badf));
        assert_eq!(table.insert(file()), Ok(1));
        assert!(table.is_file(1));
    }

    #[test]
    fn sockets_come_before_directories_and_are_nothing_else() {
        let listener = || OwnedFd::from(std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let root = Arc::new(OwnedFd::from(Open::open("/").unwrap()));
        let listeners = vec![listener(), listener()];
        let mut table = Table::new(listeners, [("/a".to_owned(), root, Access::ReadOnly)]);
        assert!(table.socket(3).is_ok() && table.socket(4).is_ok() && table.directory(5).is_ok());
        assert_eq!(table.client(3).err(), Some(Errno::Notconn));
        assert_eq!(table.socket(5).err(), Some(Errno::Notsock));
        assert_eq!(table.seekable(3).err(), Some(Errno::Spipe));
        assert!(table.file(3).is_err() && table.directory(4).is_err());
        table.set_blocks(4, false).unwrap();
        assert!(table.socket(3).unwrap().blocks && !table.socket(4).unwrap().blocks);
        assert_eq!(table.set_blocks(0, true), Err(Errno::Notsock));
    }

    #[test]
    fn each_kind_is_itself_and_nothing_else() {
        let mut table = table();
        let number = table.insert(file()).unwrap();
        assert!(table.directory(3).is_ok() && table.directory(0).is_err() && table.directory(number).is_err());
        assert!(table.file(number).is_ok() && table.file(0).is_err() && table.file(3).is_err());
        assert_eq!(table.seekable(0).err(), Some(Errno::Spipe));
        assert_eq!(table.seekable(3).err(), Some(Errno::Badf));
    }
}
