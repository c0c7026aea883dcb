//! The sharding that a compiled program has given a result. JAX: `sharding_impls.parse_flatten_op_sharding`.

use super::{Mesh, PartitionSpec, Sharding};
use crate::core::axis::{AxisName, AxisNames};
use crate::pjrt::OutputTiles;

impl Sharding {
    /// Which axes of one of the meshes cut an array into these tiles, or which parts of axes; `None` if none do.
    pub(crate) fn of_tiles(meshes: &[Mesh], tiles: &OutputTiles) -> Option<Sharding> {
        let whole_axes = || meshes.iter().find_map(|mesh| Sharding::along(*mesh, tiles));
        let parts_of_axes = || meshes.iter().find_map(|mesh| Sharding::along(mesh.refined()?, tiles));
        whole_axes().or_else(parts_of_axes)
    }

    /// Which axes of the mesh cut an array into these tiles.
    fn along(mesh: Mesh, tiles: &OutputTiles) -> Option<Sharding> {
        if tiles.counts.iter().product::<usize>() == 1 {
            return Sharding::try_named(&mesh, PartitionSpec::default()).ok();
        }
        if tiles.tiles.len() != mesh.size() {
            return None;
        }
        let mut entries = Vec::new();
        let mut free: Vec<AxisName> =
            mesh.axes().iter().filter(|(_, size)| *size > 1).map(|(name, _)| *name).collect();
        let mut below: usize = tiles.counts.iter().product();
        for count in &tiles.counts {
            below /= count;
            let index: Vec<usize> = tiles.tiles.iter().map(|tile| tile / below % count).collect();
            let names = axes_of(mesh, *count, &index, &mut free)?;
            entries.push(names.into_iter().collect::<AxisNames>().into());
        }
        Sharding::try_named(&mesh, PartitionSpec::new(entries)).ok()
    }
}

/// The axes, the slowest first, along which the devices have these indices below `count`. They are taken from those that are free.
fn axes_of(mesh: Mesh, count: usize, index: &[usize], free: &mut Vec<AxisName>) -> Option<Vec<AxisName>> {
    if count == 1 {
        return Some(Vec::new());
    }
    for i in 0..free.len() {
        let name = free[i];
        let (size, _) = mesh.coordinate(name, 0);
        if !count.is_multiple_of(size) {
            continue;
        }
        // The slowest axis says the leading digit of each index.
        let below = count / size;
        let leads = |(device, index): (usize, &usize)| mesh.coordinate(name, device).1 == index / below;
        if !index.iter().enumerate().all(leads) {
            continue;
        }
        let rest: Vec<usize> = index.iter().map(|index| index % below).collect();
        let mut others = free.clone();
        others.remove(i);
        if let Some(names) = axes_of(mesh, below, &rest, &mut others) {
            *free = others;
            return Some([name].into_iter().chain(names).collect());
        }
    }
    None
}
