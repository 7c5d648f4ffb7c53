// Blocks of threads on a processor. See host_target.h.
#include "host_target.h"
#include <stdio.h>
#include <stdlib.h>

thread_local HostThread host_thread;
HostKernel* HostKernel::all;

static const unsigned MOST_THREADS = 256;
static const unsigned WARP = 32;
static const size_t SHARED_BYTES = 48 << 10;

static void refuse(const HostKernel& kernel, const char* why) {
    fprintf(stderr, "kernel %s: %s\n", kernel.name, why);
    abort();
}

static void check(const HostKernel& kernel, Index block, size_t shared_bytes) {
    if (block.x < 1 || block.x > MOST_THREADS || block.y != 1 || block.z != 1) {
        refuse(kernel, "no block of such a size");
    }
    if (shared_bytes > SHARED_BYTES) {
        refuse(kernel, "more shared memory than a block has");
    }
}

#ifdef HOST_THREADS

#include <pthread.h>
#include <thread>
#include <vector>

// One block at a time in the whole process.
static pthread_barrier_t block_barrier;
static pthread_barrier_t warp_barriers[MOST_THREADS / WARP];
static uint64_t exchanges[2][MOST_THREADS];
static thread_local unsigned turn;
alignas(16) static unsigned char shared_memory[SHARED_BYTES];

unsigned char* host_shared_memory() {
    return shared_memory;
}

void host_barrier_block() {
    pthread_barrier_wait(&block_barrier);
}

void host_barrier_warp() {
    pthread_barrier_wait(&warp_barriers[threadIdx.x / WARP]);
}

uint64_t* host_exchange() {
    return exchanges[turn++ & 1] + threadIdx.x / WARP * WARP;
}

void host_launch(const HostKernel& kernel, const void* parameters, Index grid, Index block, size_t shared_bytes) {
    check(kernel, block, shared_bytes);
    pthread_barrier_init(&block_barrier, nullptr, block.x);
    for (unsigned w = 0; w * WARP < block.x; w++) {
        pthread_barrier_init(&warp_barriers[w], nullptr, block.x - w * WARP < WARP ? block.x - w * WARP : WARP);
    }
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < block.x; t++) {
        threads.emplace_back([=, &kernel] {
            // A thread takes part in every block: starting threads takes longer than running them.
            for (unsigned y = 0; y < grid.y; y++) {
                for (unsigned x = 0; x < grid.x; x++) {
                    host_thread = {{t, 0, 0}, {x, y, 0}, block, grid};
                    kernel.body(parameters);
                    host_barrier_block();
                }
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
}

#else

#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

static const size_t STACK_BYTES = 64 << 10;

enum State { READY, AT_WARP, AT_BLOCK, ENDED };

// Threads of a block, each on a stack of its own. They change by _longjmp, which makes no system call.
struct Fibers {
    ucontext_t home_context;
    jmp_buf home;
    jmp_buf places[MOST_THREADS];
    State states[MOST_THREADS];
    bool started[MOST_THREADS];
    unsigned char* stacks;
    unsigned current;
    const HostKernel* kernel;
    const void* parameters;
    uint64_t exchanges[2][MOST_THREADS];
    unsigned turns[MOST_THREADS];
    alignas(16) unsigned char shared_memory[SHARED_BYTES];

    Fibers() {
        void* memory = mmap(nullptr, STACK_BYTES * MOST_THREADS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) {
            perror("stacks of a block's threads");
            abort();
        }
        stacks = (unsigned char*) memory;
    }

    ~Fibers() {
        munmap(stacks, STACK_BYTES * MOST_THREADS);
    }
};

static thread_local Fibers* fibers;

unsigned char* host_shared_memory() {
    return fibers->shared_memory;
}

uint64_t* host_exchange() {
    Fibers& f = *fibers;
    return f.exchanges[f.turns[f.current]++ & 1] + f.current / WARP * WARP;
}

static void leave(State state) {
    Fibers& f = *fibers;
    f.states[f.current] = state;
    if (_setjmp(f.places[f.current]) == 0) {
        _longjmp(f.home, 1);
    }
}

void host_barrier_block() {
    leave(AT_BLOCK);
}

void host_barrier_warp() {
    leave(AT_WARP);
}

// A fiber runs the body of one block's thread, and is then used again for the same thread of the next block.
static void fiber_main() {
    for (;;) {
        fibers->kernel->body(fibers->parameters);
        leave(ENDED);
    }
}

static void resume(Fibers& f, unsigned t) {
    f.current = t;
    host_thread.thread_index.x = t;
    f.states[t] = READY;
    if (_setjmp(f.home) == 0) {
        if (f.started[t]) {
            _longjmp(f.places[t], 1);
        }
        f.started[t] = true;
        ucontext_t context;
        getcontext(&context);
        context.uc_stack.ss_sp = f.stacks + t * STACK_BYTES;
        context.uc_stack.ss_size = STACK_BYTES;
        context.uc_link = nullptr;
        makecontext(&context, fiber_main, 0);
        setcontext(&context);
    }
}

// Runs a warp until all of its threads wait for the block or have ended.
static void run_warp(Fibers& f, unsigned first, unsigned end) {
    for (;;) {
        unsigned waiting = 0;
        unsigned elsewhere = 0;
        for (unsigned t = first; t < end; t++) {
            if (f.states[t] == READY) {
                resume(f, t);
            }
            waiting += f.states[t] == AT_WARP;
            elsewhere += f.states[t] == AT_BLOCK;
        }
        if (waiting == 0) {
            return;
        }
        if (elsewhere > 0) {
            refuse(*f.kernel, "some threads of a warp wait for the warp, others for the block");
        }
        for (unsigned t = first; t < end; t++) {
            f.states[t] = f.states[t] == AT_WARP ? READY : f.states[t];
        }
    }
}

static void run_block(Fibers& f, unsigned threads) {
    for (unsigned t = 0; t < threads; t++) {
        f.states[t] = READY;
        f.turns[t] = 0;
    }
    for (;;) {
        unsigned waiting = 0;
        for (unsigned first = 0; first < threads; first += WARP) {
            run_warp(f, first, first + WARP < threads ? first + WARP : threads);
        }
        for (unsigned t = 0; t < threads; t++) {
            waiting += f.states[t] == AT_BLOCK;
            f.states[t] = f.states[t] == AT_BLOCK ? READY : f.states[t];
        }
        if (waiting == 0) {
            return;
        }
    }
}

void host_launch(const HostKernel& kernel, const void* parameters, Index grid, Index block, size_t shared_bytes) {
    check(kernel, block, shared_bytes);
    static thread_local struct Owner {
        Fibers fibers;
    } owner;
    fibers = &owner.fibers;
    fibers->kernel = &kernel;
    fibers->parameters = parameters;
    for (unsigned y = 0; y < grid.y; y++) {
        for (unsigned x = 0; x < grid.x; x++) {
            host_thread = {{0, 0, 0}, {x, y, 0}, block, grid};
            run_block(*fibers, block.x);
        }
    }
}

#endif
