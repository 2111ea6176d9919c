package build.thresher.scheduler.core;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/** The executors that registered, and their calls that wait for work. Not stored. */
final class ExecutorPool {
  private final Map<String, Member> members = new LinkedHashMap<>();
  private final Map<Long, Poll> polls = new LinkedHashMap<>();
  private long version;

  /** A registered executor. A new object at each registration. Compared by identity. */
  static final class Member {
    final ExecutorId id;
    final int slots;
    final Capabilities capabilities;
    Now lastSeen;

    Member(ExecutorId id, int slots, Capabilities capabilities, Now now) {
      this.id = id;
      this.slots = slots;
      this.capabilities = capabilities;
      this.lastSeen = now;
    }
  }

  /** A call that waits. */
  static final class Poll {
    final long id;
    final Member member;
    final Queue<String> executionIds;
    final long deadlineNanos;

    /** {@link ReadyQueue#additions} when nothing was found for it. */
    long triedAt = -1;

    Poll(long id, Member member, Collection<String> executionIds, long deadlineNanos) {
      this.id = id;
      this.member = member;
      this.executionIds = new ArrayDeque<>(executionIds);
      this.deadlineNanos = deadlineNanos;
    }
  }

  /** Changes whenever an executor comes or goes. */
  long version() {
    return version;
  }

  boolean isEmpty() {
    return members.isEmpty();
  }

  Collection<Member> members() {
    return members.values();
  }

  /** The executor, if it is registered in this incarnation; it was heard of now. */
  @Nullable Member seen(ExecutorId id, Now now) {
    Member member = members.get(id.name());
    if (member == null || !member.id.equals(id)) {
      return null;
    }
    member.lastSeen = now;
    return member;
  }

  /** Of the executor that has most; 0 where none says how much it has. */
  long largestMemoryBytes() {
    return members.values().stream().mapToLong(m -> m.capabilities.memoryBytes()).max().orElse(0);
  }

  /** Puts the executor in and returns whom it replaces. */
  @Nullable Member register(Member member) {
    version++;
    return members.put(member.id.name(), member);
  }

  void remove(Member member) {
    if (members.remove(member.id.name(), member)) {
      version++;
    }
  }

  void park(Poll poll) {
    polls.put(poll.id, poll);
  }

  void unpark(long pollId) {
    polls.remove(pollId);
  }

  /** A copy: the caller unparks while it goes through. */
  List<Poll> polls() {
    return new ArrayList<>(polls.values());
  }

  boolean hasPolls() {
    return !polls.isEmpty();
  }

  List<Poll> pollsOf(Member member) {
    return polls.values().stream().filter(p -> p.member == member).toList();
  }

  /** Why nobody can run this, in words for people. */
  String reasonAgainst(RequirementClass wanted) {
    if (members.isEmpty()) {
      return "no executor is registered";
    }
    StringBuilder reason = new StringBuilder("no executor can run it");
    int named = 0;
    for (Member member : members.values()) {
      if (named++ == 3) {
        return reason.append(" (and ").append(members.size() - 3).append(" more)").toString();
      }
      reason
          .append(named == 1 ? ": " : "; ")
          .append(member.id.name())
          .append(": ")
          .append(wanted.lackingOn(member).orElse("it can"));
    }
    return reason.toString();
  }
}
