// A libcuda.so.1 for tests: the driver calls that the bindings use, on a processor. Streams are threads that do what they are given in order, so that what is missing in the
// host's waiting shows. Every call can be made to fail, and everything that is alive is counted. Built from the functions of CUDA's driver API reference; no code of NVIDIA's is in it.
#include "host_target.h"
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stdlib.h>
#include <string>
#include <thread>

#define API extern "C" __attribute__((visibility("default")))

typedef int Result;
typedef int Device;
typedef uint64_t DevicePointer;

enum {
    SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_DEVICE = 101, INVALID_IMAGE = 200, INVALID_CONTEXT = 201,
    INVALID_HANDLE = 400, NOT_FOUND = 500, LAUNCH_FAILED = 719
};

static std::mutex lock;
static bool initialized;
static uint64_t memory_bytes = 1ull << 30;
static uint64_t memory_used;
static int context_users;
static thread_local bool context_current;

// What a test asked for: the call of that name, after so many that succeed, gives this result once.
static std::string failing_call;
static int failing_after;
static int failing_result;
static std::map<std::string, int> calls;

static int64_t uploaded_bytes;

static int busy_streams;
static int most_busy_streams;

struct Event {
    std::mutex lock;
    std::condition_variable done;
    uint64_t recorded = 0;
    uint64_t reached = 0;
};

struct Stream {
    std::mutex lock;
    std::condition_variable changed;
    std::deque<std::function<Result()>> work;
    bool idle = true;
    bool closing = false;
    Result failure = SUCCESS;
    std::thread thread;

    Stream() : thread([this] { serve(); }) {}

    ~Stream() {
        {
            std::lock_guard<std::mutex> hold(lock);
            closing = true;
        }
        changed.notify_all();
        thread.join();
    }

    void serve() {
        std::unique_lock<std::mutex> hold(lock);
        for (;;) {
            changed.wait(hold, [this] { return closing || !work.empty(); });
            if (work.empty()) {
                return;
            }
            std::function<Result()> next = std::move(work.front());
            work.pop_front();
            idle = false;
            hold.unlock();
            Result result = next();
            hold.lock();
            failure = failure == SUCCESS ? result : failure;
            idle = work.empty();
            changed.notify_all();
        }
    }

    void add(std::function<Result()> step) {
        {
            std::lock_guard<std::mutex> hold(lock);
            work.push_back(std::move(step));
            idle = false;
        }
        changed.notify_all();
    }

    Result wait() {
        std::unique_lock<std::mutex> hold(lock);
        changed.wait(hold, [this] { return idle && work.empty(); });
        return failure;
    }
};

// Counted while a stream computes or copies.
struct Busy {
    Busy() {
        std::lock_guard<std::mutex> hold(lock);
        if (++busy_streams > most_busy_streams) {
            most_busy_streams = busy_streams;
        }
    }

    ~Busy() {
        std::lock_guard<std::mutex> hold(lock);
        busy_streams--;
    }
};

static std::map<Stream*, std::unique_ptr<Stream>> streams;
// Work that is under way keeps its event.
static std::map<Event*, std::shared_ptr<Event>> events;
static std::map<uint64_t, uint64_t> device_memory;
static std::map<void*, size_t> host_memory;
static std::map<void*, int> modules;
static uint64_t next_module = 1;

static bool fails(const char* name) {
    if (failing_call != name || failing_after-- > 0) {
        return false;
    }
    failing_call.clear();
    return true;
}

// The first thing every call does.
static Result enter(const char* name, bool needs_context = true) {
    std::lock_guard<std::mutex> hold(lock);
    calls[name]++;
    if (fails(name)) {
        return failing_result;
    }
    if (!initialized) {
        return NOT_INITIALIZED;
    }
    return needs_context && (!context_current || context_users == 0) ? INVALID_CONTEXT : SUCCESS;
}

#define ENTER(...)                                  \
    if (Result refused = enter(__VA_ARGS__)) {      \
        return refused;                             \
    }

// Whether a range lies in one allocation.
static bool is_device_range(uint64_t from, uint64_t bytes) {
    std::lock_guard<std::mutex> hold(lock);
    auto next = device_memory.upper_bound(from);
    if (next == device_memory.begin()) {
        return false;
    }
    --next;
    return from >= next->first && from + bytes <= next->first + next->second;
}

static Stream* stream_of(void* handle) {
    std::lock_guard<std::mutex> hold(lock);
    auto found = streams.find((Stream*) handle);
    return found == streams.end() ? nullptr : found->second.get();
}

static std::shared_ptr<Event> event_of(void* handle) {
    std::lock_guard<std::mutex> hold(lock);
    auto found = events.find((Event*) handle);
    return found == events.end() ? nullptr : found->second;
}

// For tests ---------------------------------------------------------------------------------------------------------------------------------------------------

// Makes a call fail once with a result, after `after` that do not; an empty name ends it.
API void standin_fail(const char* name, int after, int result) {
    std::lock_guard<std::mutex> hold(lock);
    failing_call = name;
    failing_after = after;
    failing_result = result;
}

API int standin_calls(const char* name) {
    std::lock_guard<std::mutex> hold(lock);
    return calls[name];
}

// Streams, events, pieces of memory, modules and users of the context that are alive.
API int64_t standin_alive() {
    std::lock_guard<std::mutex> hold(lock);
    return (int64_t) (streams.size() + events.size() + device_memory.size() + host_memory.size() + modules.size()) + context_users;
}

// Sets how much memory the device has, in bytes.
API void standin_memory(int64_t bytes) {
    std::lock_guard<std::mutex> hold(lock);
    memory_bytes = bytes;
}

// Bytes that were copied from the host to the device.
API int64_t standin_uploaded() {
    std::lock_guard<std::mutex> hold(lock);
    return uploaded_bytes;
}

// Most streams that worked at once since the last call of this function.
API int standin_overlap() {
    std::lock_guard<std::mutex> hold(lock);
    int most = most_busy_streams;
    most_busy_streams = busy_streams;
    return most;
}

// The driver ---------------------------------------------------------------------------------------------------------------------------------------------------

API Result cuInit(unsigned) {
    std::lock_guard<std::mutex> hold(lock);
    calls["cuInit"]++;
    if (fails("cuInit")) {
        return failing_result;
    }
    // For whole processes of which the test is none.
    const char* failing = getenv("STANDIN_INIT_RESULT");
    if (failing) {
        return atoi(failing);
    }
    initialized = true;
    return SUCCESS;
}

API Result cuDriverGetVersion(int* version) {
    ENTER("cuDriverGetVersion", false)
    *version = 13000;
    return SUCCESS;
}

static const std::map<Result, std::pair<const char*, const char*>> ERRORS = {
    {INVALID_VALUE, {"CUDA_ERROR_INVALID_VALUE", "invalid argument"}}, {OUT_OF_MEMORY, {"CUDA_ERROR_OUT_OF_MEMORY", "out of memory"}},
    {NOT_INITIALIZED, {"CUDA_ERROR_NOT_INITIALIZED", "initialization error"}}, {NO_DEVICE, {"CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"}},
    {INVALID_DEVICE, {"CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"}}, {INVALID_IMAGE, {"CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"}},
    {INVALID_CONTEXT, {"CUDA_ERROR_INVALID_CONTEXT", "invalid device context"}}, {INVALID_HANDLE, {"CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"}},
    {NOT_FOUND, {"CUDA_ERROR_NOT_FOUND", "named symbol not found"}}, {LAUNCH_FAILED, {"CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"}},
};

API Result cuGetErrorName(Result result, const char** name) {
    auto found = ERRORS.find(result);
    *name = found == ERRORS.end() ? nullptr : found->second.first;
    return *name ? SUCCESS : INVALID_VALUE;
}

API Result cuGetErrorString(Result result, const char** text) {
    auto found = ERRORS.find(result);
    *text = found == ERRORS.end() ? nullptr : found->second.second;
    return *text ? SUCCESS : INVALID_VALUE;
}

API Result cuDeviceGetCount(int* count) {
    ENTER("cuDeviceGetCount", false)
    *count = 1;
    return SUCCESS;
}

API Result cuDeviceGet(Device* device, int ordinal) {
    ENTER("cuDeviceGet", false)
    *device = ordinal;
    return ordinal == 0 ? SUCCESS : INVALID_DEVICE;
}

API Result cuDeviceGetName(char* name, int length, Device) {
    ENTER("cuDeviceGetName", false)
    strncpy(name, "stand-in on a processor", length);
    return SUCCESS;
}

API Result cuDeviceGetAttribute(int* value, int attribute, Device) {
    ENTER("cuDeviceGetAttribute", false)
    // Multiprocessors; compute capability, major and minor.
    *value = attribute == 16 ? 2 : attribute == 75 ? 9 : 0;
    return SUCCESS;
}

API Result cuDevicePrimaryCtxRetain(void** context, Device) {
    ENTER("cuDevicePrimaryCtxRetain", false)
    std::lock_guard<std::mutex> hold(lock);
    context_users++;
    *context = &context_users;
    return SUCCESS;
}

API Result cuDevicePrimaryCtxRelease_v2(Device) {
    ENTER("cuDevicePrimaryCtxRelease_v2", false)
    std::lock_guard<std::mutex> hold(lock);
    if (context_users == 0) {
        return INVALID_CONTEXT;
    }
    context_users--;
    return SUCCESS;
}

API Result cuCtxSetCurrent(void* context) {
    ENTER("cuCtxSetCurrent", false)
    context_current = context == &context_users;
    return context == &context_users || context == nullptr ? SUCCESS : INVALID_CONTEXT;
}

API Result cuMemGetInfo_v2(size_t* unused, size_t* total) {
    ENTER("cuMemGetInfo_v2")
    std::lock_guard<std::mutex> hold(lock);
    *unused = memory_bytes - memory_used;
    *total = memory_bytes;
    return SUCCESS;
}

API Result cuModuleLoadData(void** module, const void* image) {
    ENTER("cuModuleLoadData")
    // The magic of a fatbin, as its wrapper in an executable names it.
    uint32_t magic;
    memcpy(&magic, image, 4);
    if (magic != 0xBA55ED50) {
        return INVALID_IMAGE;
    }
    std::lock_guard<std::mutex> hold(lock);
    *module = (void*) (next_module++ << 12);
    modules[*module] = 1;
    return SUCCESS;
}

API Result cuModuleUnload(void* module) {
    ENTER("cuModuleUnload")
    std::lock_guard<std::mutex> hold(lock);
    return modules.erase(module) ? SUCCESS : INVALID_HANDLE;
}

API Result cuModuleGetFunction(void** function, void* module, const char* name) {
    ENTER("cuModuleGetFunction")
    std::lock_guard<std::mutex> hold(lock);
    if (!modules.count(module)) {
        return INVALID_HANDLE;
    }
    for (HostKernel* kernel = HostKernel::all; kernel; kernel = kernel->next) {
        if (strcmp(kernel->name, name) == 0) {
            *function = kernel;
            return SUCCESS;
        }
    }
    return NOT_FOUND;
}

API Result cuLaunchKernel(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes, void* stream,
        void** parameters, void**) {
    ENTER("cuLaunchKernel")
    Stream* on = stream_of(stream);
    if (!on) {
        return INVALID_HANDLE;
    }
    // The limits of a device: 65,535 in y and z.
    if (grid_x == 0 || grid_y == 0 || grid_z != 1 || grid_x > 0x7fffffff || grid_y > 65535 || block_x == 0 || block_x > 256 || block_y != 1 || block_z != 1 || shared_bytes > 48 << 10) {
        return INVALID_VALUE;
    }
    HostKernel* kernel = (HostKernel*) function;
    std::string copy((const char*) parameters[0], kernel->parameter_bytes);
    on->add([=] {
        Busy busy;
        alignas(16) unsigned char aligned[4096];
        memcpy(aligned, copy.data(), copy.size());
        host_launch(*kernel, aligned, {grid_x, grid_y, 1}, {block_x, 1, 1}, shared_bytes);
        return SUCCESS;
    });
    return SUCCESS;
}

API Result cuStreamCreate(void** stream, unsigned) {
    ENTER("cuStreamCreate")
    std::unique_ptr<Stream> made(new Stream());
    std::lock_guard<std::mutex> hold(lock);
    *stream = made.get();
    streams[made.get()] = std::move(made);
    return SUCCESS;
}

API Result cuStreamDestroy_v2(void* stream) {
    ENTER("cuStreamDestroy_v2")
    std::unique_ptr<Stream> gone;
    {
        std::lock_guard<std::mutex> hold(lock);
        auto found = streams.find((Stream*) stream);
        if (found == streams.end()) {
            return INVALID_HANDLE;
        }
        gone = std::move(found->second);
        streams.erase(found);
    }
    gone->wait();
    return SUCCESS;
}

API Result cuStreamSynchronize(void* stream) {
    ENTER("cuStreamSynchronize")
    Stream* on = stream_of(stream);
    return on ? on->wait() : INVALID_HANDLE;
}

API Result cuEventCreate(void** event, unsigned) {
    ENTER("cuEventCreate")
    std::shared_ptr<Event> made(new Event());
    std::lock_guard<std::mutex> hold(lock);
    *event = made.get();
    events[made.get()] = made;
    return SUCCESS;
}

API Result cuEventDestroy_v2(void* event) {
    ENTER("cuEventDestroy_v2")
    std::lock_guard<std::mutex> hold(lock);
    return events.erase((Event*) event) ? SUCCESS : INVALID_HANDLE;
}

API Result cuEventRecord(void* event, void* stream) {
    ENTER("cuEventRecord")
    std::shared_ptr<Event> of = event_of(event);
    Stream* on = stream_of(stream);
    if (!of || !on) {
        return INVALID_HANDLE;
    }
    std::lock_guard<std::mutex> hold(of->lock);
    uint64_t number = ++of->recorded;
    on->add([=] {
        std::lock_guard<std::mutex> hold(of->lock);
        of->reached = number;
        of->done.notify_all();
        return SUCCESS;
    });
    return SUCCESS;
}

static Result wait_for(const std::shared_ptr<Event>& event, uint64_t number) {
    std::unique_lock<std::mutex> hold(event->lock);
    event->done.wait(hold, [=] { return event->reached >= number; });
    return SUCCESS;
}

API Result cuEventSynchronize(void* event) {
    ENTER("cuEventSynchronize")
    std::shared_ptr<Event> of = event_of(event);
    return of ? wait_for(of, of->recorded) : INVALID_HANDLE;
}

API Result cuMemAlloc_v2(DevicePointer* pointer, size_t bytes) {
    ENTER("cuMemAlloc_v2")
    if (bytes == 0) {
        return INVALID_VALUE;
    }
    std::lock_guard<std::mutex> hold(lock);
    if (memory_used + bytes > memory_bytes) {
        return OUT_OF_MEMORY;
    }
    void* memory = aligned_alloc(256, (bytes + 255) / 256 * 256);
    if (!memory) {
        return OUT_OF_MEMORY;
    }
    // What is there is nobody's business: not zeros.
    memset(memory, 0xA5, bytes);
    memory_used += bytes;
    device_memory[(uint64_t) memory] = bytes;
    *pointer = (uint64_t) memory;
    return SUCCESS;
}

API Result cuMemFree_v2(DevicePointer pointer) {
    ENTER("cuMemFree_v2")
    {
        std::lock_guard<std::mutex> hold(lock);
        if (!device_memory.count(pointer)) {
            return INVALID_VALUE;
        }
    }
    // As a device's driver: everything that was asked for before is done first.
    std::map<Stream*, Stream*> all;
    {
        std::lock_guard<std::mutex> hold(lock);
        for (auto& stream : streams) {
            all[stream.first] = stream.second.get();
        }
    }
    for (auto& stream : all) {
        stream.second->wait();
    }
    std::lock_guard<std::mutex> hold(lock);
    memory_used -= device_memory[pointer];
    device_memory.erase(pointer);
    free((void*) pointer);
    return SUCCESS;
}

API Result cuMemHostAlloc(void** pointer, size_t bytes, unsigned) {
    ENTER("cuMemHostAlloc")
    std::lock_guard<std::mutex> hold(lock);
    *pointer = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    if (!*pointer) {
        return OUT_OF_MEMORY;
    }
    host_memory[*pointer] = bytes;
    return SUCCESS;
}

API Result cuMemFreeHost(void* pointer) {
    ENTER("cuMemFreeHost")
    std::lock_guard<std::mutex> hold(lock);
    if (!host_memory.erase(pointer)) {
        return INVALID_VALUE;
    }
    free(pointer);
    return SUCCESS;
}

// A copy to or from the host needs pinned memory to be asynchronous; here it is what the bindings promise.
static bool is_pinned(const void* from, size_t bytes) {
    std::lock_guard<std::mutex> hold(lock);
    auto next = host_memory.upper_bound((void*) from);
    if (next == host_memory.begin()) {
        return false;
    }
    --next;
    return (const char*) from + bytes <= (const char*) next->first + next->second;
}

static Result copy(void* stream, void* to, const void* from, size_t bytes, bool ranges) {
    Stream* on = stream_of(stream);
    if (!on) {
        return INVALID_HANDLE;
    }
    if (!ranges) {
        return INVALID_VALUE;
    }
    on->add([=] {
        Busy busy;
        memmove(to, from, bytes);
        return SUCCESS;
    });
    return SUCCESS;
}

API Result cuMemcpyHtoDAsync_v2(DevicePointer to, const void* from, size_t bytes, void* stream) {
    ENTER("cuMemcpyHtoDAsync_v2")
    {
        std::lock_guard<std::mutex> hold(lock);
        uploaded_bytes += bytes;
    }
    return copy(stream, (void*) to, from, bytes, is_device_range(to, bytes) && is_pinned(from, bytes));
}

API Result cuMemcpyDtoHAsync_v2(void* to, DevicePointer from, size_t bytes, void* stream) {
    ENTER("cuMemcpyDtoHAsync_v2")
    return copy(stream, to, (const void*) from, bytes, is_device_range(from, bytes) && is_pinned(to, bytes));
}

API Result cuMemcpyDtoDAsync_v2(DevicePointer to, DevicePointer from, size_t bytes, void* stream) {
    ENTER("cuMemcpyDtoDAsync_v2")
    return copy(stream, (void*) to, (const void*) from, bytes, is_device_range(to, bytes) && is_device_range(from, bytes));
}

API Result cuMemsetD8Async(DevicePointer to, unsigned char value, size_t bytes, void* stream) {
    ENTER("cuMemsetD8Async")
    Stream* on = stream_of(stream);
    if (!on || !is_device_range(to, bytes)) {
        return INVALID_VALUE;
    }
    on->add([=] {
        memset((void*) to, value, bytes);
        return SUCCESS;
    });
    return SUCCESS;
}
