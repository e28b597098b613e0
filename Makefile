# make demo          a night's close on this machine, from an empty checkout
# make check         linters, workflowcheck, govulncheck, unit tests and replays: quick
# make test          all of that, everything end to end, and the demo
# make generate      the files that are derived from Go and its comments
# make histories     the recorded histories, after an intended change of a workflow's commands
# make release       the programs as they are in the images, in bin/release
# make reproducible  builds them again in another folder, and compares the bytes
# make sbom          their bills of materials
# make containers    a close in the containers of deploy/docker-compose.yaml; needs Docker with Compose
# make chaos         300 nights with corrections, kills, losses and cuts; PBSMFLOW_SEED repeats a run
# make bench         benchmarks, for two hours

BIN      := bin
TOOLS    := $(BIN)/tools
MODULE   := github.com/pbsmflow/pbsmflow
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w -X $(MODULE)/internal/version.Version=$(VERSION)
DEVBUILD := go build -ldflags "$(LDFLAGS)" # shares compiled packages with go test
# Tests are linked without what only a debugger needs. golangci-lint runs go vet.
GOTEST   := go test -vet=off -ldflags="-s -w"
# The same sources give the same bytes wherever they are built, with the flags of deploy/Dockerfile. Go's own version
# stamp is off, because it differs outside a repository.
GOBUILD  := CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags timetzdata -ldflags "$(LDFLAGS)"
# Not deploy/devserver, for which the linters read all of Temporal's server: make lint LINTED=deploy/devserver
LINTED   := . tests tools

.PHONY: bench build containers release sbom reproducible vulncheck lint devserver cluster s3server axe tools generate check analyse check-beside unit static test e2e histories chaos demo demo-ci fmt clean

build: devserver
	@mkdir -p $(BIN)
	$(DEVBUILD) -o $(BIN)/ ./worker ./starter ./internal/simulator/cmd/simulator

release:
	@mkdir -p $(BIN)/release
	$(GOBUILD) -o $(BIN)/release/ ./worker ./starter ./internal/simulator/cmd/simulator

devserver:
	@mkdir -p $(BIN)
	@test -x $(BIN)/devserver || echo "Building the embedded Temporal server; the first time this takes about four minutes."
	cd deploy/devserver && $(DEVBUILD) -o $(CURDIR)/$(BIN)/ .

# The server as in Compose, and its schema tool, for the test on PostgreSQL.
cluster:
	@mkdir -p $(BIN)
	cd deploy/devserver && go build -ldflags="-s -w" -o $(CURDIR)/$(BIN)/temporal-server go.temporal.io/server/cmd/server
	cd deploy/devserver && go build -ldflags="-s -w" -o $(CURDIR)/$(BIN)/temporal-sql-tool go.temporal.io/server/cmd/tools/sql

# The S3 server for the tests of the stores.
s3server:
	@mkdir -p $(BIN)
	go build -C tests/s3server -ldflags="-s -w" -o $(CURDIR)/$(BIN)/ github.com/versity/versitygw/cmd/versitygw

# axe-core, from the npm registry, for the test of what a screen reader finds on the console's pages.
axe: $(BIN)/axe/node_modules/axe-core/axe.min.js
$(BIN)/axe/node_modules/axe-core/axe.min.js: tests/e2e/console/package-lock.json
	@mkdir -p $(BIN)/axe
	cp tests/e2e/console/package.json tests/e2e/console/package-lock.json $(BIN)/axe/
	npm ci --prefix $(BIN)/axe --ignore-scripts --no-audit --no-fund --silent
	@touch $@

tools:
	@mkdir -p $(TOOLS)
	go build -C .ci/tools -o $(CURDIR)/$(TOOLS)/ tool
	go build -C .ci/golangci -o $(CURDIR)/$(TOOLS)/ tool

# docs/configuration.md, docs/pipelines.md and deploy/schema, from the Go types and their comments;
# the dashboard, and the alert rules for the Prometheus operator.
generate:
	cd tools && go run ./reference ..
	cd tools && go run ./observability ..

# The components and licenses of every program, in CycloneDX.
sbom: release
	@mkdir -p $(TOOLS)
	go build -C .ci/sbom -o $(CURDIR)/$(TOOLS)/ tool
	@for p in worker starter simulator; do \
	  $(TOOLS)/cyclonedx-gomod bin -json -licenses -version "$(VERSION)" -output $(BIN)/release/$$p.cdx.json $(BIN)/release/$$p || exit 1; \
	  echo "$(BIN)/release/$$p.cdx.json: $$(grep -c '"bom-ref"' $(BIN)/release/$$p.cdx.json) components"; done

reproducible: release
	.ci/reproducible $(CURDIR)/$(BIN)/release "$(VERSION)"

vulncheck: tools
	.ci/vulncheck $(TOOLS)

lint: tools
	@for m in $(LINTED); do echo "golangci-lint: $$m"; (cd $$m && $(CURDIR)/$(TOOLS)/golangci-lint run ./...) || exit 1; done

check: analyse unit

analyse: vulncheck lint
	go mod verify
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt would change:"; echo "$$unformatted"; exit 1; }
	$(TOOLS)/workflowcheck -config .ci/workflowcheck.yaml ./workflows/...

unit:
	$(GOTEST) ./...
	cd tools && $(GOTEST) ./...

# They mostly wait, and measure delays: two packages at a time, and few tests of each; the longest first.
e2e: build cluster s3server axe
	cd tests && PBSMFLOW_BIN=$(CURDIR)/$(BIN) $(GOTEST) -count=1 -p 2 -parallel 2 -timeout 15m \
	  $$(go list ./e2e/close ./e2e/ui ./e2e/transfer ./e2e/console ./stores ./chaos; go list ./... | grep -v -e /deploy$$ -e /model$$)

# The files of deploy and the model of a submission: these need no server, and measure nothing.
static: build
	cd tests && PBSMFLOW_BIN=$(CURDIR)/$(BIN) $(GOTEST) -count=1 ./deploy ./model

histories: build
	cd tests && PBSMFLOW_BIN=$(CURDIR)/$(BIN) go test -count=1 -run TestRecordHistories ./histories -record

# Two hours on a machine of its own; compares with curl and rclone.
bench: build
	cd tests && PBSMFLOW_BIN=$(CURDIR)/$(BIN) go test -tags bench -count=1 -timeout 150m -run TestBench -v ./bench
	cd tests && PBSMFLOW_BIN=$(CURDIR)/$(BIN) PBSMFLOW_LARGE=1 go test -count=1 -timeout 10m -run TestTransfer_resumesAfterWorkerKill -v ./e2e/transfer
	cd tests && PBSMFLOW_BIN=$(CURDIR)/$(BIN) PBSMFLOW_LARGE=1 go test -count=1 -timeout 10m -run TestConsole_load -v ./e2e/console
	cd tests && PBSMFLOW_BIN=$(CURDIR)/$(BIN) PBSMFLOW_LARGE=1 go test -count=1 -timeout 10m -run TestClose_runsAThousandBatches -v ./e2e/close
	cd tests && PBSMFLOW_BIN=$(CURDIR)/$(BIN) PBSMFLOW_QUARTER=whole go test -count=1 -timeout 10m -run TestExample_aBanksQuarter -v ./e2e/close

containers:
	cd tests && go test -tags docker -count=1 -timeout 30m -run TestCompose_closeInContainers -v ./deploy

chaos: build
	cd tests && PBSMFLOW_BIN=$(CURDIR)/$(BIN) PBSMFLOW_NIGHTS=$${PBSMFLOW_NIGHTS:-300} go test -count=1 -timeout 60m -run TestChaos -v ./chaos

# For a make that builds no program again.
BUILT := --no-print-directory $(addprefix --old-file=,build devserver cluster s3server axe)

# The quick checks take only what the end-to-end tests leave of the processor: those mostly wait, and measure time.
test: build cluster s3server axe
	@$(MAKE) $(BUILT) --jobs=2 check-beside e2e
	@$(MAKE) $(BUILT) demo-ci

# One after the other: together they would take both of the jobs, and the end-to-end tests would wait.
check-beside:
	@nice -n 19 $(MAKE) $(BUILT) unit
	@nice -n 19 $(MAKE) $(BUILT) static
	@nice -n 19 $(MAKE) $(BUILT) analyse
	cd deploy/devserver && PBSMFLOW_BIN=$(CURDIR)/$(BIN) nice -n 19 $(GOTEST) -count=1 ./...

demo: build
	$(BIN)/starter demo --pipelines deploy/pipelines

demo-ci: build
	CI=true $(BIN)/starter demo --pipelines deploy/pipelines

fmt:
	gofmt -w .

clean:
	rm -rf $(BIN) tests/output
