// Everything, as one module. Each file has names of its own, and can be compiled alone.
#include "groups.cuh"
#include "rows.cuh"
#include "runs.cuh"
#include "words.cuh"

namespace elements {
#include "elements.cu"
}
namespace rope {
#include "rope.cu"
}
namespace kivi {
#include "kivi.cu"
#include "kivi_runs.cu"
}
namespace rotated {
#include "rotated.cu"
#include "rotated_runs.cu"
}
namespace fp8 {
#include "fp8.cu"
#include "fp8_runs.cu"
}
namespace rans {
#include "rans.cu"
}
namespace matrices {
#include "matrices.cu"
}
namespace vectors {
#include "vectors.cu"
}
namespace coefficients {
#include "coefficients.cu"
}
namespace errors {
#include "errors.cu"
}
namespace pages {
#include "pages.cu"
}
