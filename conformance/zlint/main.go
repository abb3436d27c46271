// Command zlint-driver runs zmap/zlint over certificates, CRLs and OCSP responses with the lints of RFC 5280
// and its companions, and prints one JSON array with every finding that is not a pass.
package main

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	"github.com/zmap/zlint/v3/lint"
	"golang.org/x/crypto/ocsp"
)

// finding is one lint that a file did not pass.
type finding struct {
	File     string `json:"file"`
	Code     string `json:"code"`
	Severity string `json:"severity"`
	Detail   string `json:"detail,omitempty"`
}

// summary says how much was looked at, so that a judge that looked at nothing cannot pass.
type summary struct {
	File    string `json:"file"`
	Kind    string `json:"kind"`
	Applied int    `json:"applied"`
}

type report struct {
	Files    []summary `json:"files"`
	Findings []finding `json:"findings"`
}

// sources are the documents whose lints apply: RFC 5280 and those that stand beside it. The sets of the web's
// certificate authorities do not apply to certificates of persons and documents.
var sources = lint.SourceList{lint.RFC3279, lint.RFC5280, lint.RFC5480, lint.RFC6960, lint.RFC8813}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: zlint-driver FILE.pem|FILE.crl|FILE.ocsp ...")
		os.Exit(2)
	}
	registry, err := lint.GlobalRegistry().Filter(lint.FilterOptions{IncludeSources: sources})
	if err != nil {
		fail("filter", err)
	}
	out := report{Files: []summary{}, Findings: []finding{}}
	for _, path := range os.Args[1:] {
		raw, err := os.ReadFile(path)
		if err != nil {
			fail(path, err)
		}
		kind, results := examine(path, raw, registry)
		out.add(path, kind, results)
	}
	sort.Slice(out.Findings, func(i, j int) bool {
		a, b := out.Findings[i], out.Findings[j]
		return a.File+a.Code < b.File+b.Code
	})
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(out); err != nil {
		fail("stdout", err)
	}
}

// examine parses one file and lints it with the lints of its kind.
func examine(path string, raw []byte, registry lint.Registry) (string, *zlint.ResultSet) {
	der := raw
	if block, _ := pem.Decode(raw); block != nil {
		der = block.Bytes
	}
	if strings.HasSuffix(path, ".crl") {
		crl, err := x509.ParseRevocationList(der)
		if err != nil {
			fail(path, err)
		}
		return "crl", zlint.LintRevocationListEx(crl, registry)
	}
	if strings.HasSuffix(path, ".ocsp") {
		response, err := ocsp.ParseResponse(der, nil)
		if err != nil {
			fail(path, err)
		}
		return "ocsp", zlint.LintOcspResponseEx(response, registry)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		fail(path, err)
	}
	return "certificate", zlint.LintCertificateEx(certificate, registry)
}

// add keeps what was not passed and counts what applied.
func (r *report) add(path, kind string, results *zlint.ResultSet) {
	applied := 0
	for name, result := range results.Results {
		switch result.Status {
		case lint.NA, lint.NE, lint.Reserved:
		case lint.Pass:
			applied++
		default:
			applied++
			r.Findings = append(r.Findings, finding{path, name, result.Status.String(), result.Details})
		}
	}
	r.Files = append(r.Files, summary{path, kind, applied})
}

func fail(what string, err error) {
	fmt.Fprintf(os.Stderr, "zlint-driver: %s: %v\n", what, err)
	os.Exit(1)
}
