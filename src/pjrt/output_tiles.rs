//! How a partitioned program cuts its results: XLA's `OpSharding`. JAX: `pxla.get_op_sharding_from_executable`.

use super::CompiledProgram;
use crate::error::{Result, bail};
use prost::Message;

/// How a program for several devices cuts one of its results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputTiles {
    /// In how many tiles, along each axis; empty if every device has the whole.
    pub counts: Vec<usize>,
    /// Which tile each device of the program has, counted in row-major order; empty if every device has the whole.
    pub tiles: Vec<usize>,
}

impl CompiledProgram {
    /// How the program cuts each of its results; empty if it does not say, as one for one device.
    ///
    /// # Errors
    /// [`ErrorKind::Unimplemented`](crate::ErrorKind::Unimplemented) where the platform keeps no optimised program; what is no tiling.
    pub fn output_tiles(&self) -> Result<Vec<OutputTiles>> {
        let (format, code) = self.optimized_program()?;
        let decoded = match format.as_str() {
            "hlo" => proto::HloModule::decode(code.as_slice()).map(Some),
            "hlo_with_config" => {
                proto::HloModuleWithConfig::decode(code.as_slice()).map(|module| module.hlo_module)
            }
            _ => bail!(
                Unimplemented,
                "the optimised program is in the format {format}, which is not read here"
            ),
        };
        let module = match decoded {
            Ok(module) => module.unwrap_or_default(),
            Err(e) => bail!(Internal, "the optimised program is no {format}: {e}"),
        };
        match &module.spmd_output_sharding {
            None => Ok(Vec::new()),
            Some(sharding) if sharding.kind == proto::TUPLE => {
                sharding.tuple_shardings.iter().map(OutputTiles::of).collect()
            }
            Some(sharding) => Ok(vec![OutputTiles::of(sharding)?]),
        }
    }
}

impl OutputTiles {
    fn of(sharding: &proto::OpSharding) -> Result<Self> {
        match sharding.kind {
            proto::REPLICATED => return Ok(OutputTiles { counts: Vec::new(), tiles: Vec::new() }),
            proto::TILED => {}
            kind => bail!(
                Unimplemented,
                "a result of a program for several devices is sharded by kind {kind} of XLA's"
            ),
        }
        let all: Vec<usize> = sharding.tile_assignment_dimensions.iter().map(|n| *n as usize).collect();
        let replicated = usize::from(sharding.replicate_on_last_tile_dim) + sharding.last_tile_dims.len();
        let (counts, copies) = all.split_at(all.len().saturating_sub(replicated));
        let copies: usize = copies.iter().product();
        let devices = match sharding.tile_assignment_devices.as_slice() {
            [] => iota(&sharding.iota_reshape_dims, &sharding.iota_transpose_perm),
            listed => listed.iter().map(|device| *device as usize).collect(),
        };
        let mut tiles = vec![usize::MAX; devices.len()];
        for (i, device) in devices.iter().enumerate() {
            match tiles.get_mut(*device) {
                Some(tile) => *tile = i / copies.max(1),
                None => bail!(Internal, "a result has a tile on device {device} of {}", devices.len()),
            }
        }
        if tiles.contains(&usize::MAX) || all.iter().product::<usize>() != tiles.len() {
            bail!(Internal, "a result has {all:?} tiles, and they are on the devices {devices:?}");
        }
        Ok(OutputTiles { counts: counts.to_vec(), tiles })
    }
}

/// The numbers from 0 in this shape, transposed and flattened.
fn iota(dims: &[i64], permutation: &[i32]) -> Vec<usize> {
    let dims: Vec<usize> = dims.iter().map(|n| *n as usize).collect();
    let total: usize = dims.iter().product();
    let strides: Vec<usize> = (0..dims.len()).map(|i| dims[i + 1..].iter().product()).collect();
    let axes: Vec<usize> = permutation.iter().map(|p| *p as usize).filter(|p| *p < dims.len()).collect();
    let place = |mut i: usize| {
        let mut number = 0;
        for axis in axes.iter().rev() {
            number += i % dims[*axis] * strides[*axis];
            i /= dims[*axis];
        }
        number
    };
    (0..total).map(|i| if axes.len() == dims.len() { place(i) } else { i }).collect()
}

/// XLA's messages, under XLA's names without `Proto`.
mod proto {
    pub const REPLICATED: i32 = 0;
    pub const TUPLE: i32 = 2;
    pub const TILED: i32 = 3;

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct HloModuleWithConfig {
        #[prost(message, optional, tag = "1")]
        pub hlo_module: Option<HloModule>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct HloModule {
        #[prost(message, optional, tag = "12")]
        pub spmd_output_sharding: Option<OpSharding>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct OpSharding {
        #[prost(int32, tag = "1")]
        pub kind: i32,
        #[prost(int64, repeated, tag = "3")]
        pub tile_assignment_dimensions: Vec<i64>,
        #[prost(int64, repeated, tag = "4")]
        pub tile_assignment_devices: Vec<i64>,
        #[prost(message, repeated, tag = "5")]
        pub tuple_shardings: Vec<OpSharding>,
        #[prost(bool, tag = "6")]
        pub replicate_on_last_tile_dim: bool,
        #[prost(int32, repeated, tag = "8")]
        pub last_tile_dims: Vec<i32>,
        #[prost(int64, repeated, tag = "9")]
        pub iota_reshape_dims: Vec<i64>,
        #[prost(int32, repeated, tag = "10")]
        pub iota_transpose_perm: Vec<i32>,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiled(dims: &[i64], reshape: &[i64], permutation: &[i32], copies: bool) -> proto::OpSharding {
        proto::OpSharding {
            kind: proto::TILED,
            tile_assignment_dimensions: dims.into(),
            iota_reshape_dims: reshape.into(),
            iota_transpose_perm: permutation.into(),
            replicate_on_last_tile_dim: copies,
            ..Default::default()
        }
    }

    #[test]
    fn tiles_are_found_on_their_devices() {
        // devices=[2,1,2]<=[4] last_tile_dim_replicate, and devices=[2,2]<=[2,2]T(1,0)
        let rows = OutputTiles::of(&tiled(&[2, 1, 2], &[4], &[0], true)).unwrap();
        assert_eq!(rows, OutputTiles { counts: vec![2, 1], tiles: vec![0, 0, 1, 1] });
        let transposed = OutputTiles::of(&tiled(&[2, 2], &[2, 2], &[1, 0], false)).unwrap();
        assert_eq!(transposed.tiles, [0, 2, 1, 3]);
        let mut listed = tiled(&[4], &[], &[], false);
        listed.tile_assignment_devices = vec![3, 1, 0, 2];
        assert_eq!(OutputTiles::of(&listed).unwrap().tiles, [2, 1, 3, 0]);
        listed.tile_assignment_devices = vec![3, 1, 0, 7];
        assert!(OutputTiles::of(&listed).is_err());
        assert!(OutputTiles::of(&tiled(&[3], &[4], &[0], false)).is_err());
        assert!(OutputTiles::of(&proto::OpSharding { kind: 1, ..Default::default() }).is_err());
    }
}
