"""How long jobs take on given machines: the least that any scheduler can reach, and what a simple one does."""

import heapq
from bisect import bisect_left, insort
from dataclasses import dataclass

from proteofold.system.errors import UserError

# Memory is rounded up to so many MB in the simulation: jobs that differ by less wait in one queue.
_MEM_STEP_MB = 16


@dataclass(frozen=True, slots=True)
class Job:
    """Work for one core: its seconds, the memory it holds, and the place in the list of the job it waits for."""

    seconds: float
    mem_mb: int
    after: int | None = None


def lower_bound(jobs, kinds):
    """Seconds that no schedule of the jobs on these node kinds can undercut.

    The longest chain of two jobs, or what a linear program gives: the smallest T for which all work can be shared out
    so that no kind of node is given more core-seconds or more MB-seconds than it has in T, and jobs that need at
    least so much memory no more than the nodes can hold of them at once. Raises ValueError for a job that fits none.
    """
    chains = (job.seconds + (jobs[job.after].seconds if job.after is not None else 0) for job in jobs)
    return max(max(chains, default=0.0), _shared_out(jobs, kinds))


def _shared_out(jobs, kinds):
    """The linear program's T. Jobs are of one class if every kind of node holds equally many of them at once."""
    classes = {}  # how many each kind holds -> [seconds, least memory]
    for job in jobs:
        held = _held(job, kinds)
        seconds, least_mb = classes.get(held, (0.0, job.mem_mb))
        classes[held] = (seconds + job.seconds, min(least_mb, job.mem_mb))
    work = sum(seconds for seconds, _ in classes.values())
    if not work:
        return 0.0
    import pulp

    # in units of the whole work, so that the solver's tolerances are relative ones
    program = pulp.LpProblem("makespan", pulp.LpMinimize)
    makespan = program.add_variable("T", lowBound=0)
    program += makespan
    shares = {}
    for place, (held, (seconds, _)) in enumerate(classes.items()):
        parts = {kind: program.add_variable(f"x{place}_{kind}", lowBound=0) for kind, many in enumerate(held) if many}
        program += pulp.lpSum(parts.values()) == seconds / work
        shares |= {(held, kind): part for kind, part in parts.items()}
    largest_first = sorted(classes, key=lambda held: -classes[held][1])
    for place, kind in enumerate(kinds):
        given = [held for held in largest_first if held[place]]
        for upto, held in enumerate(given, 1):
            at_least_as_hungry = pulp.lpSum(shares[one, place] for one in given[:upto])
            program += at_least_as_hungry <= kind.count * held[place] * makespan
        memory = pulp.lpSum(classes[held][1] * shares[held, place] for held in given)
        program += memory <= kind.count * kind.mem_mb * makespan
    _solve(pulp, program)
    return makespan.value() * work


def _solve(pulp, program):
    """Solve with the CBC that comes with PuLP."""
    solver = pulp.COIN_CMD(path=pulp.PULP_CBC_CMD.pulp_cbc_path, msg=False)
    if len(solver.tmpDir.split()) > 1:  # PuLP splits the command of CBC at blanks
        solver.tmpDir = "/tmp"
    try:
        status = program.solve(solver)
    except pulp.PulpSolverError as error:
        raise UserError(f"PuLP cannot start its solver CBC: {error}. Run bin/setup again.") from None
    if pulp.LpStatus[status] != "Optimal":
        raise UserError(f"PuLP's solver CBC found no solution: {pulp.LpStatus[status]}.")


def _held(job, kinds):
    held = tuple(kind.at_once(job.mem_mb) for kind in kinds)
    if not any(held):
        raise ValueError(f"a job of {job.mem_mb} MB fits no node")
    return held


class _Node:
    __slots__ = ("cores", "mem_mb", "whole_mb", "running")

    def __init__(self, kind):
        self.cores, self.mem_mb, self.whole_mb = kind.cores, kind.mem_mb, kind.mem_mb
        self.running = []  # heap of (end, memory)


def simulated_makespan(jobs, kinds):
    """Seconds that a list scheduler takes for the jobs: whenever a core is free, the longest job that fits starts.

    A job counts with the longest one that waits for it. When the first in line fits nowhere yet, a node is kept for
    it, and takes only what is over before or leaves room beside it, as Slurm's backfill does: small jobs do not keep
    a giant waiting for ever. Deterministic. Raises ValueError for a job that fits no node.
    """
    return _Simulation(jobs, kinds).run()


class _Simulation:
    def __init__(self, jobs, kinds):
        self.jobs, self.now = jobs, 0.0
        # nodes with little memory are filled first, so that the others stay free for those who need them
        smallest_first = sorted(kinds, key=lambda kind: kind.mem_mb)
        self.nodes = [_Node(kind) for kind in smallest_first for _ in range(min(kind.count, len(jobs)))]
        # where one job fewer fits a node: rounding must not go beyond
        self.steps = sorted({kind.mem_mb // many for kind in kinds for many in range(1, kind.cores + 1)})
        self.followers = {}
        for place, job in enumerate(jobs):
            _held(job, kinds)
            if job.after is not None:
                self.followers.setdefault(job.after, []).append(place)
        self.queues = {}  # memory -> heap of (-priority, place)
        self.ends = []  # heap of (end, place, node, memory)
        self.kept = None  # (place, node, from when, cores and memory left beside the job)

    def run(self):
        self._queue(place for place, job in enumerate(self.jobs) if job.after is None)
        free = list(range(len(self.nodes)))
        while True:
            self._fill(free)
            if not self.ends and self.queues:
                # a node was kept for a job that started elsewhere at this very moment; each job fits an idle node
                self.kept, free = None, list(range(len(self.nodes)))
                self._fill(free)
            if not self.ends:
                return self.now
            self.now, released = self.ends[0][0], []
            free = set()
            while self.ends and self.ends[0][0] == self.now:
                _, place, at, mem_mb = heapq.heappop(self.ends)
                node = self.nodes[at]
                heapq.heappop(node.running)
                node.cores += 1
                node.mem_mb += mem_mb
                free.add(at)
                released += self.followers.get(place, ())
            self._queue(released)
            # what did not fit a node still does not, unless the node or the jobs that wait have changed
            free = [at for at, node in enumerate(self.nodes) if node.cores] if released else sorted(free)

    def _queue(self, places):
        for place in places:
            followers = (self.jobs[follower].seconds for follower in self.followers.get(place, ()))
            priority = self.jobs[place].seconds + max(followers, default=0.0)
            queue = self.queues.setdefault(self._rounded(self.jobs[place].mem_mb), [])
            heapq.heappush(queue, (-priority, place))

    def _rounded(self, mem_mb):
        rounded = -(-mem_mb // _MEM_STEP_MB) * _MEM_STEP_MB
        return min([rounded, *self.steps[bisect_left(self.steps, mem_mb) :][:1]])

    def _fill(self, free):
        """Start jobs on the nodes with free cores until none fits any more."""
        while free and self.queues:
            kept = self.kept
            first, at = self._next(free)
            if at is not None:
                self._start(first, at)
                if not self.nodes[at].cores:
                    free.remove(at)
            if kept and self.kept != kept and self.nodes[kept[1]].cores and kept[1] not in free:
                insort(free, kept[1])  # no longer kept for a job that has started elsewhere
            elif at is None:
                return

    def _next(self, free):
        """Queue and node of the job to start now; the node is None if none can."""
        first = min(self.queues, key=lambda mem_mb: self.queues[mem_mb][0])
        at = self._node_for(first, free)
        if at is None:
            self._keep_node_for(first)
            for other in sorted(self.queues, key=lambda mem_mb: self.queues[mem_mb][0])[1:]:
                if (at := self._node_for(other, free)) is not None:
                    return other, at
        return first, at

    def _node_for(self, mem_mb, free):
        _, place = self.queues[mem_mb][0]
        for at in free:
            if self.nodes[at].mem_mb >= mem_mb and self._may_start(place, mem_mb, at):
                return at
        return None

    def _may_start(self, place, mem_mb, at):
        if self.kept is None or self.kept[1] != at or self.kept[0] == place:
            return True
        _, _, begin, cores, left_mb = self.kept
        return self.now + self.jobs[place].seconds <= begin or (cores > 0 and mem_mb <= left_mb)

    def _keep_node_for(self, mem_mb):
        """Keep the node on which the first job of this queue can start soonest."""
        _, place = self.queues[mem_mb][0]
        if self.kept and self.kept[0] == place:
            return
        best = None
        for at, node in enumerate(self.nodes):
            if node.whole_mb < mem_mb:
                continue
            cores, free_mb, begin = node.cores, node.mem_mb, self.now
            for end, held_mb in sorted(node.running):
                if cores and free_mb >= mem_mb:
                    break
                cores, free_mb, begin = cores + 1, free_mb + held_mb, end
            if best is None or begin < best[2]:
                best = (place, at, begin, cores - 1, free_mb - mem_mb)
        self.kept = best

    def _start(self, mem_mb, at):
        _, place = heapq.heappop(self.queues[mem_mb])
        if not self.queues[mem_mb]:
            del self.queues[mem_mb]
        if self.kept and self.kept[0] == place:
            self.kept = None
        elif self.kept and self.kept[1] == at and self.now + self.jobs[place].seconds > self.kept[2]:
            self.kept = (*self.kept[:3], self.kept[3] - 1, self.kept[4] - mem_mb)
        node, end = self.nodes[at], self.now + self.jobs[place].seconds
        node.cores -= 1
        node.mem_mb -= mem_mb
        heapq.heappush(node.running, (end, mem_mb))
        heapq.heappush(self.ends, (end, place, at, mem_mb))
