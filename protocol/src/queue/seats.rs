//! Devices and memory of a node, each given to one job at a time.

use serde::{Deserialize, Serialize};

use super::{Demand, DeviceClass, Waiting};
use crate::{
    invariant::{Invariant, holds},
    unit::ByteCount,
};

/// One device of a node, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seat(pub usize);

/// What a node has.
#[derive(Debug, Clone)]
pub struct Seats {
    devices: Vec<Device>,
    /// In all.
    memory: ByteCount,
    /// Given to jobs.
    taken: ByteCount,
}

/// How a device is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Use {
    /// No job computes on it.
    Free,
    /// A job does.
    Busy,
    /// It failed, and is not used any more.
    Aside,
}

#[derive(Debug, Clone, Copy)]
struct Device {
    class: DeviceClass,
    is_taken: bool,
    /// Why it is not used; none while it is.
    aside: Option<Aside>,
}

/// Why a device is not used.
#[derive(Debug, Clone, Copy)]
pub(super) enum Aside {
    /// It failed.
    Failed,
    /// Its thread hangs; memory that it keeps, though its job has left.
    Stuck(ByteCount),
}

impl Seats {
    /// These devices and so much memory, all free.
    pub fn new(classes: impl IntoIterator<Item = DeviceClass>, memory: ByteCount) -> Self {
        let free = |class| Device { class, is_taken: false, aside: None };
        let devices = classes.into_iter().map(free).collect();
        Self { devices, memory, taken: ByteCount(0) }
    }

    /// Every device: its class and how it is used.
    pub fn each(&self) -> impl Iterator<Item = (DeviceClass, Use)> {
        self.devices.iter().map(|device| {
            let used = match (device.aside.is_some(), device.is_taken) {
                (true, _) => Use::Aside,
                (false, true) => Use::Busy,
                (false, false) => Use::Free,
            };
            (device.class, used)
        })
    }

    /// Whether a device beside this one is used.
    pub fn has_others(&self, seat: Seat) -> bool {
        self.devices.iter().enumerate().any(|(at, device)| at != seat.0 && device.aside.is_none())
    }

    /// Memory that jobs share.
    pub const fn memory(&self) -> ByteCount {
        self.memory
    }

    /// Memory that no job has.
    pub fn free_memory(&self) -> ByteCount {
        ByteCount(self.memory.get().saturating_sub(self.taken.get()))
    }

    /// The devices that would serve, without those that are kept for others; or what is missing.
    pub(super) fn find(&self, demand: Demand, kept: &[Seat]) -> Result<Vec<Seat>, Waiting> {
        let serving = self.serving(demand.class).count();
        let wanted = usize::try_from(demand.devices).unwrap_or(usize::MAX).min(serving).max(1);
        let free = self.free_for(demand).filter(|seat| !kept.contains(seat));
        let found: Vec<_> = free.take(wanted).collect();
        if found.len() < wanted {
            return Err(Waiting::Device);
        }
        let free = self.free_memory();
        let is_alone = self.taken == ByteCount(0) && !self.devices.iter().any(|it| it.is_taken);
        if demand.memory > free && !is_alone {
            return Err(Waiting::Memory { needs: demand.memory, free });
        }
        Ok(found)
    }

    /// Devices that serve such a demand and that no job has.
    pub(super) fn free_for(&self, demand: Demand) -> impl Iterator<Item = Seat> {
        self.serving(demand.class).filter(|seat| !self.devices[seat.0].is_taken)
    }

    /// Devices that are used and serve such a demand: those of the class, or all where there is
    /// none of it.
    fn serving(&self, class: DeviceClass) -> impl Iterator<Item = Seat> {
        let usable = |device: &Device| device.aside.is_none();
        let has_class = self.devices.iter().any(|it| usable(it) && it.class == class);
        let serves = move |it: &Device| usable(it) && (it.class == class || !has_class);
        let all = self.devices.iter().enumerate();
        all.filter(move |(_, device)| serves(device)).map(|(at, _)| Seat(at))
    }

    pub(super) fn take(&mut self, demand: Demand, kept: &[Seat]) -> Result<Vec<Seat>, Waiting> {
        let seats = self.find(demand, kept)?;
        for seat in &seats {
            let device = &mut self.devices[seat.0];
            holds!(Invariant::Queue1, !device.is_taken, "seat {}", seat.0);
            device.is_taken = true;
        }
        self.taken = ByteCount(self.taken.get().saturating_add(demand.memory.get()));
        Ok(seats)
    }

    /// A job gives its devices back, and its memory with the one that it computed on.
    pub(super) fn free_all(&mut self, seats: &[Seat], memory: ByteCount) {
        for (at, seat) in seats.iter().enumerate() {
            self.free(*seat, if at == 0 { memory } else { ByteCount(0) });
        }
    }

    pub(super) fn free(&mut self, seat: Seat, memory: ByteCount) {
        let Some(device) = self.devices.get_mut(seat.0) else { return };
        holds!(Invariant::Queue1, device.is_taken, "seat {} was free", seat.0);
        device.is_taken = false;
        if let Some(Aside::Stuck(kept)) = &mut device.aside {
            *kept = memory; // What the thread works on is still there.
            return;
        }
        holds!(Invariant::Queue1, self.taken >= memory, "more memory given back than was given");
        self.taken = ByteCount(self.taken.get().saturating_sub(memory.get()));
    }

    /// From now on it is not used, or used again.
    pub(super) fn set_aside(&mut self, seat: Seat, aside: Option<Aside>) {
        let Some(device) = self.devices.get_mut(seat.0) else { return };
        if let Some(Aside::Stuck(kept)) = std::mem::replace(&mut device.aside, aside) {
            self.taken = ByteCount(self.taken.get().saturating_sub(kept.get()));
        }
    }

    pub(super) fn are_all_taken(&self) -> bool {
        self.devices.iter().all(|device| device.is_taken || device.aside.is_some())
    }
}
