package build.thresher.deploy;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

/** Who may import whom. ARCHITECTURE.md says why. */
@AnalyzeClasses(packages = "build.thresher", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {
  private static final String CAS_SERVER_STORE = "build.thresher.cas.store..";
  private static final String SCHEDULER = "build.thresher.scheduler..";
  private static final String EXECUTOR = "build.thresher.executor..";
  private static final String CLIENT = "build.thresher.client..";
  private static final String DEPLOY = "build.thresher.deploy..";
  private static final String[] CAS_SERVER = {
    CAS_SERVER_STORE,
    "build.thresher.cas.actions..",
    "build.thresher.cas.assets..",
    "build.thresher.cas.http..",
    "build.thresher.cas.mirror..",
    "build.thresher.cas.oci..",
    "build.thresher.cas.push..",
    "build.thresher.cas.reapi..",
    "build.thresher.cas.s3..",
    "build.thresher.cas.sources.."
  };

  @ArchTest
  static final ArchRule packagesHaveNoCycles =
      slices().matching("build.thresher.(*).(*)..").should().beFreeOfCycles();

  @ArchTest
  static final ArchRule theSharedKernelKnowsNoWireNoDatabaseAndNobodyElse =
      noClasses()
          .that()
          .resideInAPackage("build.thresher.cas.api..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(
              "io.grpc..", "com.google.protobuf..", "org.rocksdb..", "build.thresher.v1..");

  @ArchTest
  static final ArchRule schedulerAndExecutorMeetOnlyOnTheWire =
      noClasses()
          .that()
          .resideInAPackage(SCHEDULER)
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(EXECUTOR, CLIENT, DEPLOY, "build.thresher.cas.client..");

  @ArchTest
  static final ArchRule schedulerKnowsTheStoreByItsInterface =
      noClasses()
          .that()
          .resideInAnyPackage(SCHEDULER, EXECUTOR, CLIENT)
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(CAS_SERVER);

  @ArchTest
  static final ArchRule executorAndClientKnowNeitherEachOtherNorTheServer =
      noClasses()
          .that()
          .resideInAnyPackage(EXECUTOR)
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(SCHEDULER, CLIENT, DEPLOY);

  @ArchTest
  static final ArchRule theCoreIsPure =
      noClasses()
          .that()
          .resideInAPackage("build.thresher.scheduler.core..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(
              "io.grpc..",
              "org.rocksdb..",
              "com.google.protobuf..",
              "build.thresher.v1..",
              "java.io..",
              "java.nio.file..",
              "java.util.concurrent..")
          .orShould()
          .accessClassesThat()
          .haveFullyQualifiedName("java.lang.Thread");

  @ArchTest
  static final ArchRule rocksDbStopsInTheStorePackages =
      noClasses()
          .that()
          .resideOutsideOfPackages(
              CAS_SERVER_STORE,
              "build.thresher.cas.mirror..",
              "build.thresher.cas.sources..",
              "build.thresher.cas.oci..",
              "build.thresher.scheduler.store..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("org.rocksdb..");

  @ArchTest
  static final ArchRule wireTypesStopInTheAdapters =
      noClasses()
          .that()
          .resideInAnyPackage(CAS_SERVER_STORE, "build.thresher.cas.mirror..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("build.bazel..", "build.thresher.v1..", "io.grpc..");

  @ArchTest
  static final ArchRule everyPackageIsNullMarked =
      classes()
          .that()
          .haveSimpleName("package-info")
          .and()
          .resideOutsideOfPackage("build.thresher.v1..")
          .should()
          .beAnnotatedWith("org.jspecify.annotations.NullMarked");
}
