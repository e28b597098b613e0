# make demo   a night's close on this machine, from an empty checkout
# make check  format, vet, staticcheck, workflowcheck, unit tests and replays: quick
# make test   all of that, and everything end to end, and the demo
# make release  the programs as the images hold them, in bin/release
# make sbom   bills of materials of the programs; make reproducible: the same bytes from another folder
# make containers  a close in the containers of deploy/docker-compose.yaml; wants Docker with compose
# make chaos  200 nights while things are killed, lost and cut; PBSMFLOW_SEED repeats a run

BIN      := bin
TOOLS    := $(BIN)/tools
MODULE   := github.com/pbsmflow/pbsmflow
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w -X $(MODULE)/internal/version.Version=$(VERSION)
DEVBUILD := go build -ldflags "-X $(MODULE)/internal/version.Version=$(VERSION)" # shares the compiled packages with go test
# For release: the same bytes from the same sources wherever they are built, with the flags of deploy/Dockerfile.
# The version is stamped here and not by Go, whose stamp differs where there is no repository.
GOBUILD  := CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags timetzdata -ldflags "$(LDFLAGS)"
# vet and staticcheck read all of Temporal's server for deploy/devserver, for minutes: make lint LINTED=deploy/devserver
LINTED   := . tests tools

.PHONY: bench build containers release sbom reproducible vulncheck lint devserver cluster s3server tools generate check analyse analyse-beside unit test e2e histories chaos demo demo-ci fmt clean

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

# The server as compose runs it, and its schema tool, for the test on PostgreSQL.
cluster:
	@mkdir -p $(BIN)
	cd deploy/devserver && go build -o $(CURDIR)/$(BIN)/temporal-server go.temporal.io/server/cmd/server
	cd deploy/devserver && go build -o $(CURDIR)/$(BIN)/temporal-sql-tool go.temporal.io/server/cmd/tools/sql

# The S3 server that the stores are tried against.
s3server:
	@mkdir -p $(BIN)
	go build -C tests/s3server -o $(CURDIR)/$(BIN)/ github.com/versity/versitygw/cmd/versitygw

tools:
	@mkdir -p $(TOOLS)
	go build -C .ci/tools -o $(CURDIR)/$(TOOLS)/ tool

# docs/configuration.md, docs/pipelines.md and deploy/schema, from the Go types and their comments;
# the dashboard, and the alert rules for the Prometheus operator.
generate:
	cd tools && go run ./reference ..
	cd tools && go run ./observability ..

# What every program is made of, in CycloneDX's form, and under which licenses.
sbom: release
	@mkdir -p $(TOOLS)
	go build -C .ci/sbom -o $(CURDIR)/$(TOOLS)/ tool
	@for p in worker starter simulator; do \
	  $(TOOLS)/cyclonedx-gomod bin -json -licenses -version "$(VERSION)" -output $(BIN)/release/$$p.cdx.json $(BIN)/release/$$p || exit 1; \
	  echo "$(BIN)/release/$$p.cdx.json: $$(grep -c '"bom-ref"' $(BIN)/release/$$p.cdx.json) components"; done

# The same bytes from another folder.
reproducible: release
	.ci/reproducible $(CURDIR)/$(BIN)/release "$(VERSION)"

vulncheck: tools
	.ci/vulncheck $(TOOLS)

lint: tools
	@for m in $(LINTED); do echo "vet, staticcheck: $$m"; (cd $$m && go vet ./... && $(CURDIR)/$(TOOLS)/staticcheck ./...) || exit 1; done

check: analyse unit

analyse: vulncheck lint
	go mod verify
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt would change:"; echo "$$unformatted"; exit 1; }
	$(TOOLS)/workflowcheck -config .ci/workflowcheck.yaml ./workflows/...

unit:
	go test ./...
	cd tools && go test ./...

e2e: build cluster s3server
	cd tests && PBSMFLOW_BIN=$(CURDIR)/$(BIN) go test -count=1 -p 1 -parallel 4 -timeout 15m ./... # they wait, and measure how soon things are noticed

# The histories that go test ./workflows replays, recorded anew: after a change of a workflow's commands that is meant.
histories: build
	cd tests && PBSMFLOW_BIN=$(CURDIR)/$(BIN) go test -count=1 -run TestRecordHistories ./histories -record

# Two hours on a machine of its own; curl and rclone to compare with.
bench: build
	cd tests && PBSMFLOW_BIN=$(CURDIR)/$(BIN) go test -tags bench -count=1 -timeout 150m -run TestBench -v ./bench
	cd tests && PBSMFLOW_BIN=$(CURDIR)/$(BIN) PBSMFLOW_LARGE=1 go test -count=1 -timeout 10m -run TestTransfer_resumesAfterWorkerKill -v ./e2e/transfer

# A close in the containers of the compose file, under a project name of its own.
containers:
	cd tests && go test -tags docker -count=1 -timeout 30m -run TestCompose_closeInContainers -v ./deploy

chaos: build
	cd tests && PBSMFLOW_BIN=$(CURDIR)/$(BIN) PBSMFLOW_NIGHTS=$${PBSMFLOW_NIGHTS:-200} go test -count=1 -timeout 40m -run TestChaos -v ./chaos

# What only reads the sources does so in what the tests end to end leave of the processor: they tell time.
test: build cluster s3server unit
	@$(MAKE) --no-print-directory --jobs=2 analyse-beside e2e
	cd deploy/devserver && go test -vet=off -count=1 ./...
	@$(MAKE) --no-print-directory demo-ci

analyse-beside:
	@nice -n 19 $(MAKE) --no-print-directory analyse

demo: build
	$(BIN)/starter demo --pipelines deploy/pipelines

demo-ci: build
	CI=true $(BIN)/starter demo --pipelines deploy/pipelines

fmt:
	gofmt -w .

clean:
	rm -rf $(BIN) tests/output
