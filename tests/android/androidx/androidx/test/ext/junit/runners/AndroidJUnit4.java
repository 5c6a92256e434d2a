package androidx.test.ext.junit.runners;

/** A stand-in to compile against. */
public final class AndroidJUnit4 extends org.junit.runner.Runner {
    public AndroidJUnit4(Class<?> tests) {}

    public org.junit.runner.Description getDescription() {
        throw new RuntimeException();
    }

    public void run(org.junit.runner.notification.RunNotifier notifier) {
        throw new RuntimeException();
    }
}
