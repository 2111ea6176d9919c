package build.thresher.scheduler.core;

/**
 * The scheduler as a state machine: an event and the time go in, what to store and what to do then
 * come out.
 *
 * <p>Guarantees: the same events at the same times lead to the same outcomes; every live task is
 * held by a request or waited for by a task that is, until its result is being published; at most
 * one execution of a task holds a valid fence.
 *
 * <p>The state changes in place. Whoever cannot store an outcome throws the core away and loads it
 * again from what was stored.
 *
 * <p>Threading: one thread at a time.
 */
public final class Core {
  private final long epoch;
  private final Lifecycle life;
  private final Admission admission;
  private final Executors executors;
  private final Attempts attempts;
  private final Results results;
  private final Handout handout;
  private final CoreView view;

  private Core(CoreOptions options, LiveState live, Now now) {
    this.epoch = live.epoch();
    TaskGraph graph = new TaskGraph(live.durations());
    ReadyQueue ready = new ReadyQueue(options.plainInstances());
    ExecutorPool pool = new ExecutorPool();
    Executions executions = new Executions(ready);
    this.life = new Lifecycle(graph, ready, executions);
    this.admission = new Admission(options, graph, ready, pool, life);
    this.attempts = new Attempts(options, graph, pool, executions, life);
    this.results = new Results(graph, executions, attempts, life);
    this.executors = new Executors(options, ready, pool, executions, attempts);
    long settledAtNanos =
        now.nanos() + (live.requests().isEmpty() ? 0 : options.schedulingGrace().toNanos());
    this.handout = new Handout(options, epoch, ready, pool, attempts, life, settledAtNanos);
    this.view = new CoreView(life, graph, executions, ready, pool);
    new Loader(graph, ready, executions, life).load(live, now, options);
  }

  /** A core that goes on where the store says that the last one stopped. */
  public static Core load(CoreOptions options, LiveState live, Now now) {
    return new Core(options, live, now);
  }

  /** What has to be done first: results that were about to be published. */
  public Outcome resume() {
    Journal journal = new Journal();
    results.resume(journal);
    return journal.close(new Reply.Done());
  }

  public long epoch() {
    return epoch;
  }

  /** Lets an event happen. */
  public Outcome apply(Event event, Now now) {
    Journal journal = new Journal();
    Reply reply =
        switch (event) {
          case Event.Submit e -> admission.submit(e, now, journal);
          case Event.SubmitAgain e -> new Reply.Accepted(e.requestId());
          case Event.Cancel e -> cancel(e, now, journal);
          case Event.Register e -> executors.register(e, now, journal);
          case Event.LeaseAsk e -> executors.ask(e, now);
          case Event.PollGone e -> executors.hangUp(e);
          case Event.Undelivered e -> attempts.undelivered(e, journal);
          case Event.Renew e -> executors.renew(e, now, journal);
          case Event.Complete e -> results.complete(e, now, journal);
          case Event.InputsLost e -> attempts.inputsLost(e, now, journal);
          case Event.PublishDone e -> results.published(e, now, journal);
          case Event.PublishRefused e -> results.refused(e, now, journal);
          case Event.PublishFailed e -> results.couldNotPublish(e, now, journal);
          case Event.Tick e -> tick(now, journal);
        };
    handout.failUnschedulable(now, journal);
    handout.answerPolls(now, journal);
    return journal.close(reply);
  }

  private Reply cancel(Event.Cancel event, Now now, Journal journal) {
    Request request = life.requests().get(event.requestId());
    if (request == null) {
      return new Reply.UnknownRequest();
    }
    life.cancel(request, now, journal);
    return new Reply.Done();
  }

  private Reply tick(Now now, Journal journal) {
    attempts.tick(now, journal);
    results.tick(now, journal);
    executors.tick(now, journal);
    return new Reply.Done();
  }

  /** What may be asked about the state. */
  public CoreView view() {
    return view;
  }
}
