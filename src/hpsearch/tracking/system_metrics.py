"""Machine load, one sample at a time: the driver samples every few seconds and logs it with its own batches.

MLflow's `SystemMetricsMonitor` (3.17) is not used: its thread fetches the whole run before each sample and writes by
itself, while a SQLite store allows one writer. The metric names are its own, so that MLflow's page shows them.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import psutil
import pynvml

MIB = 2**20


class SystemSampler:
    """Samples CPU, memory and NVIDIA GPUs; a context manager that releases the driver.

    Args:
        nvml: The NVIDIA management library; None: without GPUs.
    """

    def __init__(self, nvml: Any = pynvml) -> None:
        self._nvml = nvml
        self._gpus = gpu_handles(nvml) if nvml is not None else []
        psutil.cpu_percent()  # psutil's first call has no interval to measure and returns 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def sample(self) -> dict[str, float]:
        """Return `system/…` metrics: mean CPU load since the last sample, current memory and GPU use."""
        memory = psutil.virtual_memory()
        values = {
            "cpu_utilization_percentage": psutil.cpu_percent(),
            "system_memory_usage_megabytes": (memory.total - memory.available) / MIB,
            "system_memory_usage_percentage": memory.percent,
        }
        for index, handle in enumerate(self._gpus):
            values |= {f"gpu_{index}_{name}": value for name, value in self._gpu(handle).items()}
        return {f"system/{name}": float(value) for name, value in values.items()}

    def close(self) -> None:
        """Release the NVIDIA driver."""
        if self._gpus:
            self._nvml.nvmlShutdown()
            self._gpus = []

    def _gpu(self, handle: Any) -> dict[str, float]:
        try:
            memory = self._nvml.nvmlDeviceGetMemoryInfo(handle)
            return {
                "utilization_percentage": self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu,
                "memory_usage_megabytes": memory.used / MIB,
                "memory_usage_percentage": 100 * memory.used / memory.total,
            }
        except self._nvml.NVMLError:  # a GPU that fell off the bus, or a partition that does not report
            return {}


def gpu_count(nvml: Any = pynvml) -> int:
    """Return the number of GPUs that the NVIDIA driver lists; 0 without a driver."""
    handles = gpu_handles(nvml)
    if handles:
        nvml.nvmlShutdown()
    return len(handles)


def gpu_handles(nvml: Any = pynvml) -> Sequence[Any]:
    """Return the GPUs that the NVIDIA driver lists; if there are any, call `nvmlShutdown` after use."""
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return []
    count = nvml.nvmlDeviceGetCount()
    if count == 0:
        nvml.nvmlShutdown()
    return [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
