//! [`Memory`]: where buffers live. JAX: `memory_kind`.

use super::client::{Client, MemoryData};
use super::sys;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A memory space of a [`Client`], which the handle keeps alive.
#[derive(Clone)]
pub struct Memory {
    client: Client,
    index: u32,
}

impl Memory {
    pub(crate) fn new(client: &Client, index: usize) -> Memory {
        Memory { client: client.clone(), index: index as u32 }
    }

    fn data(&self) -> &MemoryData {
        &self.client.inner().memories[self.index as usize]
    }

    pub(crate) fn raw(&self) -> *mut sys::PJRT_Memory {
        self.data().raw.as_ptr()
    }

    /// The client that the memory belongs to.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Unique among the memories of the platform.
    pub fn id(&self) -> i32 {
        self.data().id
    }

    /// What kind of memory it is: `device`, `pinned_host`, `unpinned_host`.
    pub fn kind(&self) -> &str {
        &self.data().kind
    }
}

impl PartialEq for Memory {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && self.client == other.client
    }
}
impl Eq for Memory {}

impl Hash for Memory {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.client.raw() as usize, self.index).hash(state);
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({}:{} {})", self.client.platform_name(), self.id(), self.kind())
    }
}
