//! What a module for several devices says of where values are. Shardy's dialect, `sdy`.

use super::LoweringCtx;
use crate::core::sharding::Sharding;
use crate::mlir::Value;

impl LoweringCtx {
    /// What the module calls the mesh of a sharding, which it declares; `None` if the module is for one device.
    pub(super) fn mesh_of(&mut self, sharding: Sharding) -> Option<String> {
        let mesh = sharding.mesh().filter(|_| self.target.is_some_and(Sharding::has_several_devices))?;
        let name = |i: usize| if i == 0 { "mesh".to_owned() } else { format!("mesh_{}", i - 1) };
        let known = self.meshes.iter().position(|known| *known == mesh);
        Some(name(known.unwrap_or_else(|| {
            let i = self.meshes.len();
            self.builder.declare(&mesh.declaration(&name(i)));
            self.meshes.push(mesh);
            i
        })))
    }

    /// What the module says of an argument or a result of `main` that is there; nothing if the module is for one device.
    pub(crate) fn sharding_attribute(&mut self, sharding: Sharding, ndim: usize) -> Option<String> {
        let mesh = self.mesh_of(sharding)?;
        Some(format!("sdy.sharding = #sdy.sharding<@{mesh}, {}>", sharding.axes_text(ndim)))
    }

    /// `sdy.sharding_constraint`: the value, whose parts are to be there; nothing if the module is for one device.
    pub(crate) fn sharding_constraint(&mut self, x: Value, sharding: Sharding) -> Value {
        match self.mesh_of(sharding) {
            None => x,
            Some(mesh) => {
                let axes = sharding.axes_text(self.dims(x).len());
                self.annotate("sdy.sharding_constraint", x, &format!("<@{mesh}, {axes}>"))
            }
        }
    }
}
