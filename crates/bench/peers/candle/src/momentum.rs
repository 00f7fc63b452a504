//! SGD with momentum and L2, in place: v = momentum v + g + l2 w, w = w - rate v.

use anyhow::Result;
use candle_core::{CpuStorage, InplaceOp2, InplaceOp3, Layout, Tensor, Var, bail};
use peer::Sgd;

pub struct Momentum {
    momentum: f32,
    learning_rate: f32,
}

impl Momentum {
    pub fn of(sgd: &Sgd) -> Momentum {
        Momentum { momentum: sgd.momentum, learning_rate: sgd.learning_rate }
    }

    /// Moves `parameters` along their velocity, after the gradient has changed it.
    pub fn update(&self, parameters: &Var, velocity: &Tensor, g: &Tensor, l2: f32) -> Result<()> {
        let accelerate = Accelerate { momentum: self.momentum, l2 };
        velocity.inplace_op3(&g.contiguous()?, parameters, &accelerate)?;
        parameters.inplace_op2(velocity, &Advance { learning_rate: self.learning_rate })?;
        Ok(())
    }
}

/// v = momentum v + g + l2 w.
struct Accelerate {
    momentum: f32,
    l2: f32,
}

impl InplaceOp3 for Accelerate {
    fn name(&self) -> &'static str {
        "accelerate"
    }

    fn cpu_fwd(
        &self,
        v: &mut CpuStorage,
        v_layout: &Layout,
        g: &CpuStorage,
        g_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
    ) -> candle_core::Result<()> {
        let (g, w) = (values(g, g_layout)?, values(w, w_layout)?);
        for ((v, g), w) in values_mut(v, v_layout)?.iter_mut().zip(g).zip(w) {
            *v = self.momentum * *v + g + self.l2 * w;
        }
        Ok(())
    }
}

/// w = w - rate v.
struct Advance {
    learning_rate: f32,
}

impl InplaceOp2 for Advance {
    fn name(&self) -> &'static str {
        "advance"
    }

    fn cpu_fwd(
        &self,
        w: &mut CpuStorage,
        w_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> candle_core::Result<()> {
        for (w, v) in values_mut(w, w_layout)?.iter_mut().zip(values(v, v_layout)?) {
            *w -= self.learning_rate * v;
        }
        Ok(())
    }
}

/// The values of a tensor that lie one behind the other.
fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> candle_core::Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((start, end))) => Ok(&values[start..end]),
        _ => bail!("momentum wants contiguous f32"),
    }
}

fn values_mut<'a>(
    storage: &'a mut CpuStorage,
    layout: &Layout,
) -> candle_core::Result<&'a mut [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((start, end))) => Ok(&mut values[start..end]),
        _ => bail!("momentum wants contiguous f32"),
    }
}
