package s3test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
)

// Policy is an IAM policy of one identity, as far as those of the examples go: statements that allow, with StringLike conditions on the
// prefix of a listing.
type Policy struct {
	Statement []Statement
}

// Statement is one of a [Policy].
type Statement struct {
	Effect    string
	Action    oneOrMore
	Resource  oneOrMore
	Condition struct {
		StringLike struct {
			Prefix oneOrMore `json:"s3:prefix"`
		}
	}
}

// oneOrMore is a list that may be written as its one element.
type oneOrMore []string

// UnmarshalJSON reads either.
func (o *oneOrMore) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*o = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(o))
}

// ParsePolicy reads a policy strictly.
func ParsePolicy(text []byte) (*Policy, error) {
	var whole struct {
		Version string
		Policy
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&whole); err != nil {
		return nil, err
	}
	for _, s := range whole.Statement {
		if s.Effect != "Allow" {
			return nil, fmt.Errorf("a statement has the effect %q", s.Effect)
		}
	}
	return &whole.Policy, nil
}

// actions are what AWS asks a policy for, by operation of the store.
var actions = map[string]string{
	"ListBuckets": "s3:ListAllMyBuckets", "HeadBucket": "s3:ListBucket", "ListObjects": "s3:ListBucket", "CreateBucket": "s3:CreateBucket",
	"GetObject": "s3:GetObject", "HeadObject": "s3:GetObject", "PutObject": "s3:PutObject", "DeleteObject": "s3:DeleteObject",
	"CreateMultipartUpload": "s3:PutObject", "UploadPart": "s3:PutObject", "CompleteMultipartUpload": "s3:PutObject",
	"AbortMultipartUpload": "s3:AbortMultipartUpload",
}

// Allows tells whether the identity may make a request.
func (p *Policy) Allows(r Request) bool {
	resource := "arn:aws:s3:::" + r.Bucket
	if r.Key != "" {
		resource += "/" + r.Key
	}
	if r.Op == "DeleteObjects" {
		return true // each of the objects is asked for
	}
	return slices.ContainsFunc(p.Statement, func(s Statement) bool {
		prefix := s.Condition.StringLike.Prefix
		return slices.Contains(s.Action, actions[r.Op]) && s.Resource.matches(resource) && (prefix == nil || prefix.matches(r.Prefix))
	})
}

// matches tells whether a text is like one of patterns, in which a star stands for any text, slashes among it.
func (o oneOrMore) matches(text string) bool {
	flat := func(s string) string { return strings.ReplaceAll(s, "/", "\x00") }
	return slices.ContainsFunc(o, func(pattern string) bool {
		like, err := path.Match(flat(pattern), flat(text))
		return err == nil && like
	})
}

// Enforce has the store deny what a policy does not allow. refused is told of each request that it denies.
func (s *Server) Enforce(p *Policy, refused func(Request)) {
	s.Fail(func(r Request) *Fault {
		if p.Allows(r) {
			return nil
		}
		refused(r)
		return &Fault{Status: http.StatusForbidden, Code: "AccessDenied", Message: "Access Denied"}
	})
}
